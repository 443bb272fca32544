// Our witness, the real program, in the hands of a stranger: a log made by sumdb/note and sumdb/tlog asks it over
// net/http, verifies each cosignature, and tries what a witness must refuse.
package main

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const witnessedOrigin = "broker.example/pli/89/2026-1"

// askingLog is a log with a key of its own.
type askingLog struct {
	signer note.Signer
	stored storage
}

func (l askingLog) checkpoint(size int64) string {
	root, err := tlog.TreeHash(size, l.stored)
	must(err)
	text := fmt.Sprintf("%s\n%d\n%s\n", l.signer.Name(), size, root)
	signed, err := note.Sign(&note.Note{Text: text}, l.signer)
	must(err)
	return string(signed)
}

func (l askingLog) proof(older, newer int64) []tlog.Hash {
	if older == 0 || older == newer {
		return nil
	}
	proof, err := tlog.ProveTree(newer, older, l.stored)
	must(err)
	return proof
}

func requestBody(old int64, proof []tlog.Hash, checkpoint string) string {
	body := fmt.Sprintf("old %d\n", old)
	for _, hash := range proof {
		body += hash.String() + "\n"
	}
	return body + "\n" + checkpoint
}

type response struct {
	status int
	kind   string
	body   string
}

func taken(got *http.Response, err error) response {
	must(err)
	defer got.Body.Close()
	body, err := io.ReadAll(got.Body)
	must(err)
	return response{got.StatusCode, got.Header.Get("Content-Type"), string(body)}
}

func run(program string, words ...string) string {
	out, err := exec.Command(program, words...).Output()
	must(err)
	return strings.TrimSpace(string(out))
}

func askWitness(dir, program string) {
	must(os.RemoveAll(dir))
	secret, public, err := note.GenerateKey(rand.Reader, witnessedOrigin)
	must(err)
	signer, err := note.NewSigner(secret)
	must(err)
	key, err := note.NewVerifier(public)
	must(err)
	witness := newCosigner(run(program, "init", "--folder", dir, "--name", "witness.example/w1"))
	run(program, "add-log", "--folder", dir, "--vkey", public)

	command := exec.Command(program, "run", "--folder", dir, "--listen", "127.0.0.1:0")
	out, err := command.StdoutPipe()
	must(err)
	must(command.Start())
	defer command.Process.Kill()
	ready, err := bufio.NewReader(out).ReadString('\n')
	must(err)
	url := strings.Fields(strings.TrimPrefix(ready, "pli-witness ready: "))[0]
	fail := func(format string, values ...any) {
		command.Process.Kill()
		log.Fatalf(format, values...)
	}

	var leaves, others [][]byte
	for i := 0; i < 70; i++ {
		leaves = append(leaves, []byte(fmt.Sprintf("leaf %d", i)))
		others = append(others, []byte(fmt.Sprintf("other leaf %d", i)))
	}
	honest, forked := askingLog{signer, storageOf(leaves)}, askingLog{signer, storageOf(others)}
	counts := map[int]int{}
	ask := func(body string, status int) response {
		got := taken(http.Post(url+"/add-checkpoint", "", strings.NewReader(body)))
		if got.status != status {
			fail("%d instead of %d: %s", got.status, status, got.body)
		}
		if status == 409 && got.kind != "text/x.tlog.size" {
			fail("409 as %s", got.kind)
		}
		counts[status]++
		return got
	}

	secret, _, err = note.GenerateKey(rand.Reader, witnessedOrigin)
	must(err)
	stranger, err := note.NewSigner(secret)
	must(err)
	monitored := fmt.Sprintf("%s/%x/checkpoint", url, sha256.Sum256([]byte(witnessedOrigin)))
	old := int64(0)
	for _, size := range []int64{1, 2, 3, 4, 7, 7, 8, 13, 32, 33, 64, 70} {
		proof := honest.proof(old, size)
		damaged(proof, func(changed []tlog.Hash) { ask(requestBody(old, changed, honest.checkpoint(size)), 422) })
		ask(requestBody(old, proof, askingLog{stranger, honest.stored}.checkpoint(size)), 403)
		if old > 0 {
			ask(requestBody(old, forked.proof(old, size), forked.checkpoint(size)), 422)
			ask(requestBody(size+1, nil, honest.checkpoint(size)), 400)
			if got := ask(requestBody(0, nil, honest.checkpoint(size)), 409); got.body != fmt.Sprintf("%d\n", old) {
				fail("409 says %s", got.body)
			}
		}

		checkpoint := honest.checkpoint(size)
		cosigned := checkpoint + ask(requestBody(old, proof, checkpoint), 200).body
		opened, err := note.Open([]byte(cosigned), note.VerifierList(key, witness))
		if err != nil || len(opened.Sigs) != 2 {
			fail("size %d: not a cosigned checkpoint: %v\n%s", size, err, cosigned)
		}
		line, err := base64.StdEncoding.DecodeString(opened.Sigs[1].Base64)
		must(err)
		at := time.Unix(int64(binary.BigEndian.Uint64(line[4:12])), 0)
		if apart := time.Since(at); apart < -time.Minute || apart > time.Minute {
			fail("cosigned at %v", at)
		}
		if served := taken(http.Get(monitored)); served.status != 200 || served.body != cosigned {
			fail("size %d: the monitoring prefix serves %d\n%s", size, served.status, served.body)
		}
		old = size
	}
	secret, _, err = note.GenerateKey(rand.Reader, "broker.example/unknown")
	must(err)
	unknown, err := note.NewSigner(secret)
	must(err)
	ask(requestBody(0, nil, askingLog{unknown, honest.stored}.checkpoint(1)), 404)
	ask("old 70\n", 400)
	if got := taken(http.Post(url+"/add-checkpoint", "", bytes.NewReader(make([]byte, 1<<20)))); got.status != 413 {
		fail("%d to a mebibyte", got.status)
	}

	must(command.Process.Signal(syscall.SIGTERM))
	must(command.Wait())
	if counts[200] != 12 || counts[422] < 50 {
		log.Fatalf("too little to tell: %v", counts)
	}
	fmt.Println(counts)
}
