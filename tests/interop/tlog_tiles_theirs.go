// The tiles of our log in the hands of a stranger: sumdb/tlog reads and authenticates them, proves leaves and
// consistency from them alone, and sumdb/note reads the log's and the witnesses' lines. Go's paths name the height of a
// tile, C2SP's do not; Go has no cosignatures, so their few lines are here.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8

// files is a folder in memory, so that damage is cheap.
type files map[string][]byte

func readFiles(dir string) files {
	read := files{}
	must(filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		read[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	}))
	return read
}

func (f files) get(path string) ([]byte, error) {
	data, found := f[path]
	if !found {
		return nil, fmt.Errorf("no %s", path)
	}
	return data, nil
}

// Height, ReadTiles and SaveTiles make files a tlog.TileReader.
func (f files) Height() int { return tileHeight }

func (f files) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		data, err := f.get("tile/" + strings.TrimPrefix(tile.Path(), "tile/8/"))
		if err != nil {
			return nil, err
		}
		if len(data) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s: %d bytes", tile.Path(), len(data))
		}
		all = append(all, data)
	}
	return all, nil
}

func (f files) SaveTiles([]tlog.Tile, [][]byte) {}

// bundle reads the entries of one bundle as wide as its level-0 tile.
func (f files) bundle(tile tlog.Tile) ([][]byte, error) {
	data, err := f.get("tile/entries/" + strings.TrimPrefix(tile.Path(), "tile/8/0/"))
	if err != nil {
		return nil, err
	}
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("bundle %d is cut", tile.N)
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		entries = append(entries, data[2:end])
		data = data[end:]
	}
	if len(entries) != tile.W {
		return nil, fmt.Errorf("bundle %d has %d entries", tile.N, len(entries))
	}
	return entries, nil
}

// cosigner verifies C2SP cosignatures, type 4.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func newCosigner(vkey string) cosigner {
	parts := strings.SplitN(vkey, "+", 3)
	typed, err := base64.StdEncoding.Strict().DecodeString(parts[2])
	must(err)
	if len(typed) != 1+ed25519.PublicKeySize || typed[0] != 4 {
		log.Fatalf("not a witness's key: %s", vkey)
	}
	id := sha256.Sum256(append([]byte(parts[0]+"\n"), typed...))
	if fmt.Sprintf("%x", id[:4]) != parts[1] {
		log.Fatalf("another key's id: %s", vkey)
	}
	return cosigner{parts[0], binary.BigEndian.Uint32(id[:4]), typed[1:]}
}

func (c cosigner) Name() string    { return c.name }
func (c cosigner) KeyHash() uint32 { return c.hash }
func (c cosigner) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(signature), text)
	return ed25519.Verify(c.key, []byte(message), signature[8:])
}

// openNote wants the log's line and that of every witness.
func (f files) openNote(path string, key note.Verifier, witnesses []note.Verifier) (head, error) {
	text, err := f.get(path)
	if err != nil {
		return head{}, err
	}
	opened, err := note.Open(text, note.VerifierList(append([]note.Verifier{key}, witnesses...)...))
	if err != nil {
		return head{}, err
	}
	if len(opened.Sigs) != 1+len(witnesses) {
		return head{}, fmt.Errorf("%d known signatures", len(opened.Sigs))
	}
	return openCheckpoint(text, key)
}

func (f files) openCosigned(size int64, key note.Verifier, witnesses []note.Verifier) (head, error) {
	read, err := f.openNote(fmt.Sprintf("checkpoints/%d", size), key, witnesses)
	if err == nil && read.size != size {
		err = fmt.Errorf("a checkpoint of size %d", read.size)
	}
	return read, err
}

// verifyTiled verifies everything there is under the checkpoint of size: every line, every leaf against its tile, leaves
// proven in the tree, and the checkpoints before it.
func (f files) verifyTiled(size int64, published []int64, key note.Verifier, witnesses []note.Verifier) error {
	top, err := f.openCosigned(size, key, witnesses)
	if err != nil {
		return err
	}
	reader := tlog.TileHashReader(tlog.Tree{N: top.size, Hash: top.root}, f)
	root, err := tlog.TreeHash(size, reader)
	if err != nil {
		return err
	}
	if root != top.root {
		return fmt.Errorf("another root")
	}
	for first := int64(0); first < size; first += 1 << tileHeight {
		tile := tlog.Tile{H: tileHeight, L: 0, N: first >> tileHeight, W: 1 << tileHeight}
		if size-first < int64(tile.W) {
			tile.W = int(size - first)
		}
		entries, err := f.bundle(tile)
		if err != nil {
			return err
		}
		var indexes []int64
		for i := range entries {
			indexes = append(indexes, tlog.StoredHashIndex(0, first+int64(i)))
		}
		stored, err := reader.ReadHashes(indexes)
		if err != nil {
			return err
		}
		for i, entry := range entries {
			if tlog.RecordHash(entry) != stored[i] {
				return fmt.Errorf("leaf %d is not its tile's", first+int64(i))
			}
		}
		// One leaf proven covers its whole tile. The reader alone does not: in this version it leaves full tiles
		// unchecked where the subtrees of the size share tiles.
		for i := 0; i < len(entries); i += 97 {
			index := first + int64(i)
			proof, err := tlog.ProveRecord(size, index, reader)
			if err != nil {
				return err
			}
			if err := tlog.CheckRecord(proof, size, top.root, index, tlog.RecordHash(entries[i])); err != nil {
				return err
			}
		}
	}
	for _, older := range published {
		if older >= size {
			continue
		}
		before, err := f.openCosigned(older, key, witnesses)
		if err != nil {
			return err
		}
		proof, err := tlog.ProveTree(size, older, reader)
		if err != nil {
			return err
		}
		if err := tlog.CheckTree(proof, size, top.root, older, before.root); err != nil {
			return err
		}
	}
	return nil
}

// signatureLine takes the line of a name apart and puts it together again, changed.
func signatureLine(text []byte, name string, change func(payload []byte) []byte) []byte {
	all := strings.SplitAfter(string(text), "\n")
	for i, line := range all {
		if prefix := "— " + name + " "; strings.HasPrefix(line, prefix) {
			payload, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(line[len(prefix):], "\n"))
			must(err)
			all[i] = prefix + base64.StdEncoding.EncodeToString(change(payload)) + "\n"
			return []byte(strings.Join(all, ""))
		}
	}
	log.Fatalf("no line of %s", name)
	return nil
}

func verifyTiles(dir string) {
	whole := readFiles(dir)
	key, err := note.NewVerifier(strings.TrimSpace(string(whole["vkey"])))
	must(err)
	var witnesses []note.Verifier
	for _, vkey := range lines(string(whole["witnesses"])) {
		witnesses = append(witnesses, newCosigner(vkey))
	}
	var published []int64
	for path := range whole {
		if strings.HasPrefix(path, "checkpoints/") {
			published = append(published, number(strings.TrimPrefix(path, "checkpoints/")))
		}
	}
	sort.Slice(published, func(i, j int) bool { return published[i] < published[j] })
	for _, size := range published {
		if err := whole.verifyTiled(size, published, key, witnesses); err != nil {
			log.Fatalf("size %d: %v", size, err)
		}
	}

	const size = 70000
	const note70000, note65537 = "checkpoints/70000", "checkpoints/65537"
	const w1 = "witness.example/w1"
	flip := func(at int) func([]byte) []byte {
		return func(data []byte) []byte { data[at] ^= 0x01; return data }
	}
	cut := func(count int) func([]byte) []byte {
		return func(data []byte) []byte { return data[:len(data)-count] }
	}
	exchange := func(data []byte) []byte {
		return append(append(append([]byte{}, data[32:64]...), data[:32]...), data[64:]...)
	}
	line := func(change func([]byte) []byte) func([]byte) []byte {
		return func(data []byte) []byte { return signatureLine(data, w1, change) }
	}
	without := func(name string) func([]byte) []byte {
		return func(data []byte) []byte {
			var kept string
			for _, one := range strings.SplitAfter(string(data), "\n") {
				if !strings.HasPrefix(one, "— "+name+" ") {
					kept += one
				}
			}
			return []byte(kept)
		}
	}
	replace := func(old, new string) func([]byte) []byte {
		return func(data []byte) []byte { return bytes.Replace(data, []byte(old), []byte(new), 1) }
	}
	damages := []struct {
		name, path string
		apply      func([]byte) []byte
	}{
		{"a hash of the edge", "tile/0/273.p/112", flip(0)},
		{"the last hash of the edge", "tile/0/273.p/112", flip(112*32 - 1)},
		{"two hashes of the edge exchanged", "tile/0/273.p/112", exchange},
		{"the edge short of a hash", "tile/0/273.p/112", cut(32)},
		{"the edge of level 1", "tile/1/001.p/17", flip(40)},
		{"the top of the tree", "tile/2/000.p/1", flip(31)},
		{"a hash inside", "tile/0/100", flip(4000)},
		{"two hashes inside exchanged", "tile/0/100", exchange},
		{"a tile cut by a byte", "tile/0/100", cut(1)},
		{"a hash inside level 1", "tile/1/000", flip(8191)},
		{"another tile in its place", "tile/0/100", func([]byte) []byte { return whole["tile/0/101"] }},
		{"a tile that is not there", "tile/0/100", nil},
		{"a byte of a leaf", "tile/entries/100", flip(2)},
		{"a leaf and its hash, both", "tile/entries/100", flip(2)},
		{"the length of a leaf", "tile/entries/100", flip(1)},
		{"a leaf dropped", "tile/entries/100", func(data []byte) []byte {
			return data[2+int(binary.BigEndian.Uint16(data)):]
		}},
		{"a bundle cut by a byte", "tile/entries/273.p/112", cut(1)},
		{"another bundle in its place", "tile/entries/100", func([]byte) []byte { return whole["tile/entries/101"] }},
		{"the root of the checkpoint", note70000, flip(40)},
		{"the size of the checkpoint", note70000, replace("\n70000\n", "\n70001\n")},
		{"the origin of the checkpoint", note70000, replace("/89/", "/21/")},
		{"the checkpoint of another size", note70000, func([]byte) []byte { return whole[note65537] }},
		{"an older checkpoint's root", note65537, flip(40)},
		{"the log's signature", note70000, func(data []byte) []byte {
			return signatureLine(data, key.Name(), flip(30))
		}},
		{"no signature of the log", note70000, without(key.Name())},
		{"a cosignature", note70000, line(flip(50))},
		{"the time of a cosignature", note70000, line(flip(11))},
		{"the key id of a cosignature", note70000, line(flip(2))},
		{"a cosignature cut by a byte", note70000, line(cut(1))},
		{"a cosignature of another checkpoint", note70000, line(func([]byte) []byte {
			var other []byte
			signatureLine(whole[note65537], w1, func(payload []byte) []byte { other = payload; return payload })
			return other
		})},
		{"a cosignature under another witness's name", note70000, replace("— "+w1+" ", "— witness.example/w3 ")},
		{"no cosignature of one witness", note70000, without(w1)},
	}
	for _, damage := range damages {
		changed := files{}
		for path, data := range whole {
			changed[path] = data
		}
		if damage.apply == nil {
			delete(changed, damage.path)
		} else {
			changed[damage.path] = damage.apply(append([]byte{}, whole[damage.path]...))
			if bytes.Equal(changed[damage.path], whole[damage.path]) {
				log.Fatalf("nothing was damaged: %s", damage.name)
			}
		}
		if damage.name == "a leaf and its hash, both" {
			entries, err := changed.bundle(tlog.Tile{H: tileHeight, N: 100, W: 256})
			must(err)
			hash := tlog.RecordHash(entries[0])
			changed["tile/0/100"] = append(hash[:], whole["tile/0/100"][32:]...)
		}
		err := changed.verifyTiled(size, published, key, witnesses)
		if err == nil {
			log.Fatalf("accepted though damaged: %s", damage.name)
		}
		fmt.Printf("refused: %s (%v)\n", damage.name, err)
	}
	fmt.Printf("%d checkpoints accepted, %d damaged ones refused\n", len(published), len(damages))
}
