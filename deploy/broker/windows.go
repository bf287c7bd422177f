package broker

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A broker remembers of each idempotent producer the last batches that it stored
// in a partition, so that a batch which comes again, because its answer got lost,
// is not stored twice. Kafka finds them in its log when it starts. kfake writes
// them down at a clean stop only: after a SIGKILL it would store twice what was
// under way. So before kfake opens a directory, they are found in the log here
// and written to where kfake looks for them.
//
// The formats are those of the exact version of kfake in go.mod (persist.go).

// windowsFile is where kfake keeps its windows.
const windowsFile = "seq_windows.json"

// windows is the content of windowsFile.
type windows struct {
	Version int      `json:"version"`
	Windows []window `json:"windows"`
}

// window is the last batches of one producer in one partition.
type window struct {
	PID     int64    `json:"pid"`
	Topic   string   `json:"topic"`
	Part    int32    `json:"partition"`
	Entries [5]batch `json:"entries"` // a ring
	Count   uint8    `json:"count"`   // of Entries that are set
	At      uint8    `json:"at"`      // where the next goes
	Epoch   int16    `json:"epoch"`
	Seen    bool     `json:"seen"`
	NextSeq int32    `json:"next_seq"`
}

// batch is the sequence numbers of one, from first to before next, and where it is.
type batch struct {
	FirstSeq int32 `json:"first_seq"`
	NextSeq  int32 `json:"next_seq"`
	Offset   int64 `json:"offset"`
}

// producer names a window.
type producer struct {
	pid   int64
	topic string
	part  int32
}

// restoreWindows brings windowsFile up to what the log says. A directory that is
// not kfake's yet is left alone.
func restoreWindows(dir string) error {
	file := filepath.Join(dir, windowsFile)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var kept windows
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	found, err := readWindows(filepath.Join(dir, "partitions"))
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	// What a clean stop has written stands, unless the log knows it too.
	for _, w := range kept.Windows {
		if p := (producer{w.PID, w.Topic, w.Part}); found[p] == nil {
			found[p] = &w
		}
	}
	kept.Windows = kept.Windows[:0]
	for _, w := range found {
		kept.Windows = append(kept.Windows, *w)
	}
	if text, err = json.Marshal(kept); err == nil {
		err = os.WriteFile(file+".new", text, 0o644)
	}
	if err == nil {
		err = os.Rename(file+".new", file)
	}
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	return nil
}

// readWindows reads the logs of all partitions, each a directory "topic-number".
func readWindows(dir string) (map[producer]*window, error) {
	found := map[producer]*window{}
	partitions, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, p := range partitions {
		cut := strings.LastIndexByte(p.Name(), '-')
		part, err := strconv.ParseInt(p.Name()[cut+1:], 10, 32)
		if cut < 0 || err != nil {
			continue
		}
		topic, err := url.PathUnescape(p.Name()[:cut])
		if err != nil {
			continue
		}
		segments, err := segmentsIn(filepath.Join(dir, p.Name()))
		if err != nil {
			return nil, err
		}
		for _, segment := range segments {
			log, err := os.ReadFile(segment)
			if err != nil {
				return nil, err
			}
			readLog(log, topic, int32(part), found)
		}
	}
	return found, nil
}

// segmentsIn lists a partition's segments, "BASEOFFSET.dat", the oldest first.
func segmentsIn(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.dat"))
	base := func(file string) int64 {
		n, _ := strconv.ParseInt(strings.TrimSuffix(filepath.Base(file), ".dat"), 10, 64) // 0: of no segment
		return n
	}
	slices.SortFunc(files, func(a, b string) int { return int(min(max(base(a)-base(b), -1), 1)) })
	return files, err
}

// Fields of a record batch, as Kafka's protocol lays it out.
const (
	batchLength   = 8  // i32, of what follows it
	batchCRC      = 17 // u32, of what follows it
	batchPID      = 43 // i64, -1: not idempotent
	batchEpoch    = 51 // i16
	batchFirstSeq = 53 // i32
	batchRecords  = 57 // i32, how many
	batchHeader   = 61
)

// readLog takes the batches of one segment, up to the first that is not whole,
// where kfake cuts the log as well.
func readLog(log []byte, topic string, part int32, found map[producer]*window) {
	for len(log) >= batchHeader {
		size := batchLength + 4 + int(int32(binary.BigEndian.Uint32(log[batchLength:])))
		if size < batchHeader || size > len(log) {
			return
		}
		b := log[:size:size]
		log = log[size:]
		if crc32.Checksum(b[batchCRC+4:], castagnoli()) != binary.BigEndian.Uint32(b[batchCRC:]) {
			return
		}
		p := producer{int64(binary.BigEndian.Uint64(b[batchPID:])), topic, part}
		if p.pid < 0 {
			continue
		}
		w := found[p]
		if w == nil {
			w = &window{PID: p.pid, Topic: topic, Part: part}
			found[p] = w
		}
		w.take(b)
	}
}

// castagnoli is the table of the checksum; the package has it once.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// take adds a stored batch, as kfake does when it stores it.
func (w *window) take(b []byte) {
	epoch := int16(binary.BigEndian.Uint16(b[batchEpoch:]))
	if epoch != w.Epoch {
		w.Count, w.At = 0, 0
	}
	first := int32(binary.BigEndian.Uint32(b[batchFirstSeq:]))
	n := int32(binary.BigEndian.Uint32(b[batchRecords:]))
	next := int32((int64(first) + int64(n)) % math.MaxInt32)
	w.Seen, w.Epoch, w.NextSeq = true, epoch, next
	w.Entries[w.At] = batch{first, next, int64(binary.BigEndian.Uint64(b))}
	w.At = (w.At + 1) % uint8(len(w.Entries))
	w.Count = min(w.Count+1, uint8(len(w.Entries)))
}
