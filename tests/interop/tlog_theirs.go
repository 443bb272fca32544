// Our log in the hands of a stranger: Go's sumdb/note and sumdb/tlog read what Pli signed and proved, and refuse it
// damaged; and they make a log of their own for Pli to read.
//
//	tlog_theirs verify DIR
//	tlog_theirs make DIR
//	tlog_theirs verify-tiles DIR        as tiles_ours.cpp makes it; in tlog_tiles_theirs.go
//	tlog_theirs verify-export DIR       as export_ours.cpp makes it; in tlog_export_theirs.go
//	tlog_theirs ask-witness DIR PROGRAM  DIR is the witness's folder; in tlog_witness_theirs.go
//
// DIR holds
//
//	vkey                   the log's verifier key
//	leaves                 one leaf a line, in hexadecimal
//	checkpoints/SIZE       signed checkpoints
//	proofs                 "inclusion INDEX SIZE [HASH...]" and "consistency OLDER NEWER [HASH...]" lines, base64
//	leaf.tlog-proof        a C2SP tlog-proof of one leaf
package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func read(parts ...string) string {
	data, err := os.ReadFile(filepath.Join(parts...))
	must(err)
	return string(data)
}

func write(text string, parts ...string) {
	must(os.WriteFile(filepath.Join(parts...), []byte(text), 0o644))
}

func lines(text string) []string {
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	must(err)
	return value
}

type storage []tlog.Hash

func (s storage) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var hashes []tlog.Hash
	for _, index := range indexes {
		hashes = append(hashes, s[index])
	}
	return hashes, nil
}

func storageOf(leaves [][]byte) storage {
	var stored storage
	for i, leaf := range leaves {
		hashes, err := tlog.StoredHashes(int64(i), leaf, stored)
		must(err)
		stored = append(stored, hashes...)
	}
	return stored
}

func hashes(texts []string) []tlog.Hash {
	var out []tlog.Hash
	for _, text := range texts {
		hash, err := tlog.ParseHash(text)
		must(err)
		out = append(out, hash)
	}
	return out
}

type head struct {
	size int64
	root tlog.Hash
}

// openCheckpoint takes a note apart after the verifier's own rules, then the three lines of a checkpoint.
func openCheckpoint(text []byte, key note.Verifier) (head, error) {
	opened, err := note.Open(text, note.VerifierList(key))
	if err != nil {
		return head{}, err
	}
	parts := strings.Split(opened.Text, "\n")
	if len(parts) != 4 || parts[3] != "" || parts[0] != key.Name() {
		return head{}, fmt.Errorf("not a checkpoint of %s", key.Name())
	}
	size, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return head{}, err
	}
	root, err := tlog.ParseHash(parts[2])
	return head{size, root}, err
}

// sameSignature tells whether only the spelling of the signature differs: Go reads base64 whose spare bits are not zero,
// which Pli refuses.
func sameSignature(a, b []byte) bool {
	cut := bytes.LastIndexByte(a, ' ') + 1
	first, errFirst := base64.StdEncoding.DecodeString(string(a[cut : len(a)-1]))
	second, errSecond := base64.StdEncoding.DecodeString(string(b[cut : len(b)-1]))
	return bytes.Equal(a[:cut], b[:cut]) && a[len(a)-1] == b[len(b)-1] && errFirst == nil && errSecond == nil &&
		bytes.Equal(first, second)
}

// damaged calls with every proof that is one element short, one too long, or has a bit changed in one element.
func damaged(proof []tlog.Hash, try func([]tlog.Hash)) {
	if len(proof) > 0 {
		try(proof[:len(proof)-1])
	}
	try(append(append([]tlog.Hash{}, proof...), tlog.Hash{}))
	for i := range proof {
		changed := append([]tlog.Hash{}, proof...)
		changed[i][i%tlog.HashSize] ^= 0x20
		try(changed)
	}
}

func verify(dir string) {
	key, err := note.NewVerifier(strings.TrimSpace(read(dir, "vkey")))
	must(err)
	var leaves [][]byte
	for _, line := range lines(read(dir, "leaves")) {
		leaf, err := hex.DecodeString(line)
		must(err)
		leaves = append(leaves, leaf)
	}
	stored := storageOf(leaves)
	accepted, refused := 0, 0
	refuse := func(err error, what string, about ...interface{}) {
		if err == nil {
			log.Fatalf("accepted though damaged: "+what, about...)
		}
		refused++
	}

	roots := map[int64]tlog.Hash{}
	entries, err := os.ReadDir(filepath.Join(dir, "checkpoints"))
	must(err)
	for _, entry := range entries {
		text := []byte(read(dir, "checkpoints", entry.Name()))
		opened, err := openCheckpoint(text, key)
		must(err)
		root, err := tlog.TreeHash(opened.size, stored)
		must(err)
		if opened.size != number(entry.Name()) || root != opened.root {
			log.Fatalf("checkpoint %s: another tree than its leaves", entry.Name())
		}
		roots[opened.size] = opened.root
		accepted++
		for i := range text {
			changed := append([]byte{}, text...)
			changed[i] ^= 0x01
			if sameSignature(text, changed) {
				continue
			}
			_, err := openCheckpoint(changed, key)
			refuse(err, "checkpoint %s, byte %d", entry.Name(), i)
		}
	}

	for _, line := range lines(read(dir, "proofs")) {
		fields := strings.Split(line, " ")
		first, size, proof := number(fields[1]), number(fields[2]), hashes(fields[3:])
		switch fields[0] {
		case "inclusion":
			leaf := tlog.RecordHash(leaves[first])
			must(tlog.CheckRecord(proof, size, roots[size], first, leaf))
			damaged(proof, func(changed []tlog.Hash) {
				refuse(tlog.CheckRecord(changed, size, roots[size], first, leaf), "%s", line)
			})
			refuse(tlog.CheckRecord(proof, size, roots[size], first, tlog.Hash{}), "another leaf, %s", line)
			refuse(tlog.CheckRecord(proof, size, roots[size], first+1, leaf), "another index, %s", line)
		case "consistency":
			must(tlog.CheckTree(proof, size, roots[size], first, roots[first]))
			damaged(proof, func(changed []tlog.Hash) {
				refuse(tlog.CheckTree(changed, size, roots[size], first, roots[first]), "%s", line)
			})
			refuse(tlog.CheckTree(proof, size, roots[size], first, tlog.Hash{}), "another older root, %s", line)
			refuse(tlog.CheckTree(proof, size, tlog.Hash{}, first, roots[first]), "another newer root, %s", line)
		default:
			log.Fatalf("not a proof: %s", line)
		}
		accepted++
	}

	verifyProofFile(read(dir, "leaf.tlog-proof"), key, leaves)
	accepted++
	if accepted < 1000 || refused < 1000 {
		log.Fatalf("too little to tell: %d accepted, %d refused", accepted, refused)
	}
	fmt.Printf("%d accepted, %d damaged ones refused\n", accepted, refused)
}

func verifyProofFile(text string, key note.Verifier, leaves [][]byte) {
	top, checkpoint, found := strings.Cut(text, "\n\n")
	parts := strings.Split(top, "\n")
	if !found || parts[0] != "c2sp.org/tlog-proof@v1" {
		log.Fatal("not a proof file")
	}
	parts = parts[1:]
	if strings.HasPrefix(parts[0], "extra ") {
		_, err := base64.StdEncoding.Strict().DecodeString(strings.TrimPrefix(parts[0], "extra "))
		must(err)
		parts = parts[1:]
	}
	index := number(strings.TrimPrefix(parts[0], "index "))
	opened, err := openCheckpoint([]byte(checkpoint), key)
	must(err)
	must(tlog.CheckRecord(hashes(parts[1:]), opened.size, opened.root, index, tlog.RecordHash(leaves[index])))
}

func make_(dir string) {
	must(os.RemoveAll(filepath.Join(dir, "checkpoints")))
	must(os.MkdirAll(filepath.Join(dir, "checkpoints"), 0o755))
	const origin = "go.example/sumdb"
	secret, public, err := note.GenerateKey(rand.Reader, origin)
	must(err)
	signer, err := note.NewSigner(secret)
	must(err)
	write(public+"\n", dir, "vkey")
	const count = 70
	var leaves [][]byte
	var leafLines, proofLines strings.Builder
	for i := 0; i < count; i++ {
		leaves = append(leaves, []byte(fmt.Sprintf("a leaf from Go, number %d", i)))
		fmt.Fprintf(&leafLines, "%x\n", leaves[i])
	}
	write(leafLines.String(), dir, "leaves")
	stored := storageOf(leaves)
	proofLine := func(kind string, first, size int64, proof []tlog.Hash) {
		fmt.Fprintf(&proofLines, "%s %d %d", kind, first, size)
		for _, hash := range proof {
			fmt.Fprintf(&proofLines, " %s", hash)
		}
		proofLines.WriteString("\n")
	}
	var last string
	for size := int64(1); size <= count; size++ {
		root, err := tlog.TreeHash(size, stored)
		must(err)
		signed, err := note.Sign(&note.Note{Text: fmt.Sprintf("%s\n%d\n%s\n", origin, size, root)}, signer)
		must(err)
		last = string(signed)
		write(last, dir, "checkpoints", fmt.Sprint(size))
		for index := int64(0); index < size; index++ {
			proof, err := tlog.ProveRecord(size, index, stored)
			must(err)
			proofLine("inclusion", index, size, proof)
		}
		for older := int64(1); older <= size; older++ {
			proof, err := tlog.ProveTree(size, older, stored)
			must(err)
			proofLine("consistency", older, size, proof)
		}
	}
	write(proofLines.String(), dir, "proofs")
	proof, err := tlog.ProveRecord(count, 42, stored)
	must(err)
	file := "c2sp.org/tlog-proof@v1\nindex 42\n"
	for _, hash := range proof {
		file += hash.String() + "\n"
	}
	write(file+"\n"+last, dir, "leaf.tlog-proof")
}

func main() {
	log.SetFlags(0)
	if len(os.Args) == 4 && os.Args[1] == "ask-witness" {
		askWitness(os.Args[2], os.Args[3])
		return
	}
	if len(os.Args) != 3 {
		log.Fatal("usage: tlog_theirs make|verify|verify-tiles|verify-export DIR")
	}
	switch os.Args[1] {
	case "make":
		make_(os.Args[2])
	case "verify":
		verify(os.Args[2])
	case "verify-tiles":
		verifyTiles(os.Args[2])
	case "verify-export":
		verifyExport(os.Args[2])
	default:
		log.Fatal("usage: tlog_theirs make|verify|verify-tiles|verify-export DIR")
	}
}
