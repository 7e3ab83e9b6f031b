// Command verifier-go checks a published ledger and its proofs with golang.org/x/mod/sumdb: another author's tree,
// another author's signed notes, another language. It reads files and standard input and needs no network.
//
//	verifier-go note VKEY FILE              a signed note: its text, or an error
//	verifier-go folder VKEY FOLDER [COSIGNER]  a C2SP tlog-tiles folder: every entry, tile and the signed root
//	verifier-go proofs                      lines of proofs from standard input: one verdict a line, 1 or 0
//	verifier-go prove FOLDER                the inclusion of every entry, proved and checked from the tiles
//	verifier-go receipt VKEY FILE           a C2SP tlog-proof whose extra data is the entry
package main

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "DIVERGED:", err)
		os.Exit(30)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "note":
		text, err := openFile(args[1], args[2])
		if err != nil {
			return err
		}
		fmt.Print(text)
		return nil
	case len(args) >= 3 && args[0] == "folder":
		return checkFolder(args[1], args[2], args[3:])
	case len(args) == 1 && args[0] == "proofs":
		return judgeProofs()
	case len(args) == 2 && args[0] == "prove":
		return proveAll(args[1])
	case len(args) == 3 && args[0] == "receipt":
		return checkReceipt(args[1], args[2])
	}
	return errors.New("usage: note | folder | proofs | prove | receipt")
}

func openFile(vkey, path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return openNote(vkey, data)
}

func openNote(vkey string, data []byte) (string, error) {
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return "", err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return "", err
	}
	return opened.Text, nil
}

// cosigner verifies timestamped Ed25519 signatures (C2SP tlog-cosignature v1), which x/mod does not know.
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func newCosigner(vkey string) (*cosigner, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("a verification key reads name+id+key")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 1+ed25519.PublicKeySize || key[0] != 4 {
		return nil, errors.New("not the key of a cosigner")
	}
	sum := sha256.Sum256([]byte(parts[0] + "\n" + string(key)))
	if hex.EncodeToString(sum[:4]) != parts[1] {
		return nil, errors.New("the id does not follow from name and key")
	}
	return &cosigner{parts[0], binary.BigEndian.Uint32(sum[:4]), key[1:]}, nil
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }
func (c *cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	signed := fmt.Sprintf("cosignature/v1\ntime %d\n%s", binary.BigEndian.Uint64(sig), msg)
	return ed25519.Verify(c.key, []byte(signed), sig[8:])
}

// checkpoint reads origin, size and root (C2SP tlog-checkpoint).
func checkpoint(text string) (tlog.Tree, error) {
	lines := strings.Split(text, "\n")
	if len(lines) < 4 {
		return tlog.Tree{}, errors.New("a checkpoint has three lines")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 {
		return tlog.Tree{}, errors.New("the size is not a number")
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}

// folder reads tiles from the C2SP layout, which lacks the height that x/mod writes into its paths.
type folder string

func (f folder) Height() int                     { return tileHeight }
func (f folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) read(tile tlog.Tile) ([]byte, error) {
	path := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
	path = strings.Replace(path, "tile/8/", "tile/", 1)
	data, err := os.ReadFile(filepath.Join(string(f), filepath.FromSlash(path)))
	if errors.Is(err, os.ErrNotExist) && tile.W != 1<<tileHeight { // the full tile may have taken its place
		full := tile
		full.W = 1 << tileHeight
		whole, err := f.read(full)
		if err != nil || tile.L < 0 {
			return whole, err
		}
		return whole[:tile.W*tlog.HashSize], nil
	}
	return data, err
}

// place names a tile by level and index.
type place struct {
	level int
	index int64
}

// pyramid holds the hashes of a tile and, above them, the perfect sub-trees that they make up.
type pyramid [][]tlog.Hash

// loaded holds every tile of a log.
type loaded map[place]pyramid

func load(f folder, size int64) (loaded, error) {
	tiles := loaded{}
	for level := 0; size>>(uint(level)*tileHeight) > 0; level++ {
		count := size >> (uint(level) * tileHeight)
		for n := int64(0); n*256 < count; n++ {
			width := count - n*256
			if width > 256 {
				width = 256
			}
			data, err := f.read(tlog.Tile{H: tileHeight, L: level, N: n, W: int(width)})
			if err != nil {
				return nil, err
			}
			if len(data) != int(width)*tlog.HashSize {
				return nil, fmt.Errorf("tile %d/%d has another size", level, n)
			}
			row := make([]tlog.Hash, width)
			for i := range row {
				copy(row[i][:], data[i*tlog.HashSize:])
			}
			tiles[place{level, n}] = build(row)
		}
	}
	return tiles, nil
}

func build(row []tlog.Hash) pyramid {
	rows := pyramid{row}
	for len(row) > 1 {
		above := make([]tlog.Hash, len(row)/2)
		for i := range above {
			above[i] = tlog.NodeHash(row[2*i], row[2*i+1])
		}
		rows, row = append(rows, above), above
	}
	return rows
}

func (l loaded) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		level, n := tlog.SplitStoredHashIndex(index)
		inner := uint(level % tileHeight)
		rows := l[place{level / tileHeight, n >> (tileHeight - inner)}]
		at := n & (1<<(tileHeight-inner) - 1)
		if int(inner) >= len(rows) || at >= int64(len(rows[inner])) {
			return nil, fmt.Errorf("hash %d is in no tile", index)
		}
		hashes[i] = rows[inner][at]
	}
	return hashes, nil
}

// lead tells whether all tiles, level by level, lead to the signed root. tlog.TileHashReader is not used: the one in
// x/mod 0.7.0 passes over some tiles when the sub-trees at the right edge share tiles.
func (l loaded) lead(tree tlog.Tree) error {
	for tile, rows := range l {
		if len(rows[0]) < 256 {
			continue // partial tiles have no place above: they lead to the root directly
		}
		above := l[place{tile.level + 1, tile.index / 256}]
		at := int(tile.index % 256)
		if len(above) == 0 || at >= len(above[0]) || above[0][at] != rows[tileHeight][0] {
			return fmt.Errorf("tile %d/%d is not what the tile above it says", tile.level, tile.index)
		}
	}
	root, err := tlog.TreeHash(tree.N, l)
	if err != nil {
		return err
	}
	if root != tree.Hash {
		return errors.New("the tiles do not lead to the signed root")
	}
	return nil
}

func entries(f folder, n int64, width int) ([][]byte, error) {
	data, err := f.read(tlog.Tile{H: tileHeight, L: -1, N: n, W: width})
	if err != nil {
		return nil, err
	}
	var found [][]byte
	for len(found) < width {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("bundle %d ends early", n)
		}
		length := int(binary.BigEndian.Uint16(data))
		found = append(found, data[2:2+length])
		data = data[2+length:]
	}
	return found, nil
}

// checkFolder verifies the signature, that the tiles authenticate to the signed root, and every entry's leaf hash.
func checkFolder(vkey, path string, cosigners []string) error {
	f := folder(path)
	data, err := os.ReadFile(filepath.Join(path, "checkpoint"))
	if err != nil {
		return err
	}
	text, err := openNote(vkey, data)
	if err != nil {
		return err
	}
	for _, vkey := range cosigners {
		witness, err := newCosigner(vkey)
		if err != nil {
			return err
		}
		if _, err := note.Open(data, note.VerifierList(witness)); err != nil {
			return fmt.Errorf("cosignature: %w", err)
		}
	}
	tree, err := checkpoint(text)
	if err != nil {
		return err
	}
	if tree.N == 0 {
		return nil
	}
	tiles, err := load(f, tree.N)
	if err != nil {
		return err
	}
	if err := tiles.lead(tree); err != nil {
		return err
	}
	_, err = os.Stat(filepath.Join(path, "tile", "entries"))
	texts := err == nil
	for n := int64(0); n*256 < tree.N; n++ {
		width := tree.N - n*256
		if width > 256 {
			width = 256
		}
		if !texts {
			continue
		}
		bundle, err := entries(f, n, int(width))
		if err != nil {
			return err
		}
		for i, entry := range bundle {
			if tlog.RecordHash(entry) != tiles[place{0, n}][0][i] {
				return fmt.Errorf("entry %d is not the one that was hashed", n*256+int64(i))
			}
		}
	}
	fmt.Println(tree.N)
	return nil
}

// proveAll makes the inclusion proof of every entry from the tiles and checks it against the root.
func proveAll(path string) error {
	f := folder(path)
	data, err := os.ReadFile(filepath.Join(path, "checkpoint"))
	if err != nil {
		return err
	}
	tree, err := checkpoint(string(data))
	if err != nil {
		return err
	}
	tiles, err := load(f, tree.N)
	if err != nil {
		return err
	}
	var wait sync.WaitGroup
	failures := make(chan error, 1)
	shards := int64(runtime.NumCPU())
	for shard := int64(0); shard < shards; shard++ {
		wait.Add(1)
		go func(from int64) {
			defer wait.Done()
			for index := from; index < tree.N; index += shards {
				proof, err := tlog.ProveRecord(tree.N, index, tiles)
				if err == nil {
					leaf := tiles[place{0, index / 256}][0][index%256]
					err = tlog.CheckRecord(proof, tree.N, tree.Hash, index, leaf)
				}
				if err != nil {
					select {
					case failures <- fmt.Errorf("entry %d: %w", index, err):
					default:
					}
					return
				}
			}
		}(shard)
	}
	wait.Wait()
	select {
	case err := <-failures:
		return err
	default:
		fmt.Println(tree.N)
		return nil
	}
}

// judgeProofs reads `i INDEX SIZE LEAF ROOT [HASH,…]` and `c OLD NEW OLDROOT NEWROOT [HASH,…]`, hashes in hex.
func judgeProofs() error {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(make([]byte, 1<<20), 1<<20)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for in.Scan() {
		verdict := byte('0')
		if judge(strings.Split(in.Text(), " ")) {
			verdict = '1'
		}
		if _, err := out.Write([]byte{verdict, '\n'}); err != nil {
			return err
		}
	}
	return in.Err()
}

func judge(fields []string) bool {
	if len(fields) != 6 {
		return false
	}
	first, err1 := strconv.ParseInt(fields[1], 10, 64)
	second, err2 := strconv.ParseInt(fields[2], 10, 64)
	one, err3 := hash(fields[3])
	two, err4 := hash(fields[4])
	if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
		return false
	}
	var proof []tlog.Hash
	for _, part := range strings.Split(fields[5], ",") {
		if fields[5] == "" {
			break
		}
		h, err := hash(part)
		if err != nil {
			return false
		}
		proof = append(proof, h)
	}
	switch fields[0] {
	case "i":
		return second > 0 && first >= 0 && first < second && tlog.CheckRecord(proof, second, two, first, one) == nil
	case "c": // x/mod proves the tree of the first size to be a part of the second; nothing is proved of an empty tree
		if first == second {
			return first > 0 && one == two && len(proof) == 0
		}
		return first > 0 && first < second && tlog.CheckTree(proof, second, two, first, one) == nil
	}
	return false
}

func hash(text string) (tlog.Hash, error) {
	var h tlog.Hash
	data, err := hex.DecodeString(text)
	if err != nil || len(data) != len(h) {
		return h, errors.New("not a hash")
	}
	copy(h[:], data)
	return h, nil
}

func checkReceipt(vkey, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	head, rest, found := bytes.Cut(data, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !found || len(lines) < 3 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "extra ") {
		return errors.New("not a proof with its entry")
	}
	entry, err := base64.StdEncoding.DecodeString(lines[1][len("extra "):])
	if err != nil {
		return err
	}
	index, err := strconv.ParseInt(strings.TrimPrefix(lines[2], "index "), 10, 64)
	if err != nil {
		return err
	}
	var proof tlog.RecordProof
	for _, line := range lines[3:] {
		part, err := tlog.ParseHash(line)
		if err != nil {
			return err
		}
		proof = append(proof, part)
	}
	text, err := openNote(vkey, rest)
	if err != nil {
		return err
	}
	tree, err := checkpoint(text)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry))
}
