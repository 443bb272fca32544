// An auditor's export folder in the hands of a stranger, from docs/protocol.md, "Export folder", alone: sumdb/note reads
// the checkpoint, sumdb/tlog proves every tile from it, and what is Pli's own (period, leaf lines, records) is a few
// lines here.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type period struct{ from, to, after, before int64 }

func (f files) period() (period, error) {
	text, err := f.get("period")
	if err != nil {
		return period{}, err
	}
	const layout = "pli-export/1\nfrom %d\nto %d\nafter %d\nbefore %d\n"
	var p period
	_, err = fmt.Sscanf(string(text), layout, &p.from, &p.to, &p.after, &p.before)
	if err != nil {
		return p, err
	}
	if fmt.Sprintf(layout, p.from, p.to, p.after, p.before) != string(text) || p.from < 0 || p.from > p.to ||
		p.after < 0 || p.after > p.before {
		return p, fmt.Errorf("period in another spelling")
	}
	return p, nil
}

type leaf struct {
	time   int64
	record string
}

var leafLines = regexp.MustCompile(`\Apli-leaf/1 [a-z]+\ntime (0|[1-9][0-9]*)\nrecord ([0-9a-f]{64})\n\z`)

func readLeaf(entry []byte) (leaf, error) {
	found := leafLines.FindSubmatch(entry)
	if found == nil {
		return leaf{}, fmt.Errorf("no leaf: %q", entry)
	}
	return leaf{number(string(found[1])), string(found[2])}, nil
}

// recordDigest checks every field that is shown, and gives what the leaf must name.
func recordDigest(disclosure []byte) (string, error) {
	rest := disclosure
	short := fmt.Errorf("disclosure cut")
	take := func(count int) []byte {
		if count < 0 || len(rest) < count {
			rest = nil
			return nil
		}
		taken := rest[:count]
		rest = rest[count:]
		return taken
	}
	start := take(3)
	if start == nil || start[0] != 1 {
		return "", short
	}
	all := append([]byte("pli-record/1"), start[1:]...)
	for i := 0; i < int(binary.BigEndian.Uint16(start[1:])); i++ {
		commitment, shown := take(32), take(1)
		if shown == nil || shown[0] > 1 {
			return "", short
		}
		all = append(all, commitment...)
		if shown[0] == 0 {
			continue
		}
		salt, length := take(16), take(1)
		if length == nil {
			return "", short
		}
		name, size := take(int(length[0])), take(4)
		if size == nil {
			return "", short
		}
		count := int(binary.BigEndian.Uint32(size))
		if len(rest) < count {
			return "", short
		}
		value := take(count)
		opened := sha256.Sum256(bytes.Join([][]byte{[]byte("pli-field/1"), salt, name, {0}, value}, nil))
		if !bytes.Equal(opened[:], commitment) {
			return "", fmt.Errorf("field %q is not the one committed to", name)
		}
	}
	if len(rest) != 0 {
		return "", fmt.Errorf("bytes after a disclosure")
	}
	digest := sha256.Sum256(all)
	return hex.EncodeToString(digest[:]), nil
}

// provenTile is a level-0 tile of which a leaf, and so every hash, is proven under root.
func (f files) provenTile(first, size int64, root tlog.Hash) ([]tlog.Hash, error) {
	tile := tlog.Tile{H: tileHeight, L: 0, N: first >> tileHeight, W: 1 << tileHeight}
	if size-first < int64(tile.W) {
		tile.W = int(size - first)
	}
	data, err := f.ReadTiles([]tlog.Tile{tile})
	if err != nil {
		return nil, err
	}
	var hashes []tlog.Hash
	for i := 0; i < tile.W; i++ {
		hash, err := tlog.HashFromTile(tile, data[0], tlog.StoredHashIndex(0, first+int64(i)))
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, hash)
	}
	reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: root}, f)
	for _, i := range []int64{0, int64(tile.W) - 1} {
		proof, err := tlog.ProveRecord(size, first+i, reader)
		if err != nil {
			return nil, err
		}
		if err := tlog.CheckRecord(proof, size, root, first+i, hashes[i]); err != nil {
			return nil, err
		}
	}
	return hashes, nil
}

func (f files) verifyExported(key note.Verifier, vkey string, witnesses []note.Verifier) error {
	top, err := f.openNote("checkpoint", key, witnesses)
	if err != nil {
		return err
	}
	policy, err := f.get("policy")
	if err != nil {
		return err
	}
	if !strings.Contains(string(policy), "log "+vkey+"\n") {
		return fmt.Errorf("the policy is of another log")
	}
	p, err := f.period()
	if err != nil {
		return err
	}
	if p.to > top.size {
		return fmt.Errorf("the period ends beyond the checkpoint")
	}
	records, err := f.get("records")
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(records, []byte("pli-records/1\n")) {
		return fmt.Errorf("not the records of an export")
	}
	records = records[len("pli-records/1\n"):]

	var last int64
	for first := int64(0); first < top.size; first += 1 << tileHeight {
		hashes, err := f.provenTile(first, top.size, top.root)
		if err != nil {
			return err
		}
		if first+int64(len(hashes)) <= p.from || first >= p.to {
			continue
		}
		entries, err := f.bundle(tlog.Tile{H: tileHeight, L: 0, N: first >> tileHeight, W: len(hashes)})
		if err != nil {
			return err
		}
		for i, entry := range entries {
			index := first + int64(i)
			if tlog.RecordHash(entry) != hashes[i] {
				return fmt.Errorf("leaf %d is not its tile's", index)
			}
			read, err := readLeaf(entry)
			if err != nil {
				return err
			}
			if read.time < last {
				return fmt.Errorf("leaf %d goes back in time", index)
			}
			last = read.time
			if (index < p.from) != (read.time < p.after) || (index >= p.to) != (read.time >= p.before) {
				return fmt.Errorf("leaf %d is not where its time puts it", index)
			}
			if index < p.from || index >= p.to {
				continue
			}
			if len(records) < 12 || int64(binary.BigEndian.Uint64(records)) != index {
				return fmt.Errorf("no record of leaf %d", index)
			}
			length := int(binary.BigEndian.Uint32(records[8:]))
			if len(records)-12 < length {
				return fmt.Errorf("record of leaf %d cut", index)
			}
			if length != 0 {
				digest, err := recordDigest(records[12 : 12+length])
				if err != nil {
					return err
				}
				if digest != read.record {
					return fmt.Errorf("record of leaf %d is another's", index)
				}
			}
			records = records[12+length:]
		}
	}
	if len(records) != 0 {
		return fmt.Errorf("records after the last")
	}
	return nil
}

func verifyExport(dir string) {
	vkey := strings.TrimSpace(read(dir, "vkey"))
	key, err := note.NewVerifier(vkey)
	must(err)
	var witnesses []note.Verifier
	for _, witness := range lines(read(dir, "witnesses")) {
		witnesses = append(witnesses, newCosigner(witness))
	}
	whole := readFiles(filepath.Join(dir, "folder"))
	must(whole.verifyExported(key, vkey, witnesses))

	flip := func(at int) func([]byte) []byte {
		return func(data []byte) []byte { data[at] ^= 0x01; return data }
	}
	cut := func(data []byte) []byte { return data[:len(data)-1] }
	replace := func(old, new string) func([]byte) []byte {
		return func(data []byte) []byte { return bytes.Replace(data, []byte(old), []byte(new), 1) }
	}
	damages := []struct {
		name, path string
		apply      func([]byte) []byte
	}{
		{"no checkpoint", "checkpoint", nil},
		{"the root of the checkpoint", "checkpoint", flip(45)},
		{"the size of the checkpoint", "checkpoint", replace("\n66000\n", "\n66001\n")},
		{"a cosignature", "checkpoint", func(data []byte) []byte {
			return signatureLine(data, "witness.example/w1", flip(50))
		}},
		{"the log's signature", "checkpoint", func(data []byte) []byte { return signatureLine(data, key.Name(), flip(30)) }},
		{"a policy of another key", "policy", flip(40)},
		{"no period", "period", nil},
		{"a period begun late", "period", replace("from 300\n", "from 301\n")},
		{"a period ended early", "period", replace("to 700\n", "to 699\n")},
		{"a period of fewer times", "period", replace("before 1767226300000", "before 1767226299000")},
		{"a period of more times", "period", replace("after 1767225900000", "after 1767225899000")},
		{"a period in another spelling", "period", replace("from 300", "from 0300")},
		{"a hash of a tile out of the period", "tile/0/100", flip(4000)},
		{"a tile gone", "tile/0/200", nil},
		{"a tile cut", "tile/0/001", cut},
		{"a hash of level 1", "tile/1/000", flip(8191)},
		{"the edge", "tile/0/257.p/208", flip(0)},
		{"a bundle gone", "tile/entries/001", nil},
		{"a byte of a leaf", "tile/entries/002", flip(40)},
		{"a bundle cut", "tile/entries/001", cut},
		{"no records", "records", nil},
		{"records of another version", "records", flip(12)},
		{"the index of a record", "records", flip(14 + 7)},
		{"the length of a record", "records", flip(14 + 12 + 8 + 3)},
		{"a byte of a record", "records", flip(14 + 12 + 12 + 40)},
		{"records cut", "records", cut},
		{"records with more", "records", func(data []byte) []byte { return append(data, 0) }},
	}
	for _, damage := range damages {
		changed := files{}
		for path, data := range whole {
			changed[path] = data
		}
		if damage.apply == nil {
			if _, err := whole.get(damage.path); err != nil {
				log.Fatalf("%s: %v", damage.name, err)
			}
			delete(changed, damage.path)
		} else {
			changed[damage.path] = damage.apply(append([]byte{}, whole[damage.path]...))
			if bytes.Equal(changed[damage.path], whole[damage.path]) {
				log.Fatalf("nothing was damaged: %s", damage.name)
			}
		}
		err := changed.verifyExported(key, vkey, witnesses)
		if err == nil {
			log.Fatalf("accepted though damaged: %s", damage.name)
		}
		fmt.Printf("refused: %s (%v)\n", damage.name, err)
	}
	fmt.Printf("1 export accepted, %d damaged ones refused\n", len(damages))
}
