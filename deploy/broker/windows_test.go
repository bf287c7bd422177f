package broker

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What is found in the log is what kfake itself writes down at a clean stop, the
// ring of each window included.
func TestRestoreWindows(t *testing.T) {
	dir := t.TempDir()
	fill(t, dir)
	want := readFile(t, dir)
	if len(want) < 4 {
		t.Fatalf("only %d windows: %+v", len(want), want)
	}
	check := func(name, forgotten string, change func()) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, windowsFile), []byte(forgotten), 0o644); err != nil {
			t.Fatal(err)
		}
		change()
		if err := restoreWindows(dir); err != nil {
			t.Fatal(err)
		}
		if got := readFile(t, dir); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", name, got, want)
		}
	}
	check("after a first start", `{"version":1,"windows":null}`, func() {})
	check("a batch cut off", `{"version":1,"windows":null}`, func() { grow(t, dir, 40) })
	check("a header and no more", `{"version":1,"windows":null}`, func() { grow(t, dir, 70) })

	// One whose log is gone is kept as it was written down.
	want = append(want, window{PID: 1, Topic: "z", Part: 9, Count: 1, At: 1, Seen: true, NextSeq: 3, Entries: [5]batch{{0, 3, 7}}})
	text, _ := json.Marshal(windows{Version: 1, Windows: want[len(want)-1:]})
	slices.SortFunc(want, byProducer)
	check("one of a log that is gone", string(text), func() {})
}

// A directory that no broker has used is left alone, and one that holds
// something else is refused.
func TestRestoreNothing(t *testing.T) {
	dir := t.TempDir()
	if err := restoreWindows(dir); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, windowsFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if restoreWindows(dir) == nil {
		t.Error("nonsense was taken")
	}
}

// fill has a broker store what two producers write, some of it more than a window
// holds, and stop.
func fill(t *testing.T, dir string) {
	t.Helper()
	b, err := Open(Config{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for producer := range 2 {
		client, err := kgo.NewClient(kgo.SeedBrokers(b.Addr()), kgo.DefaultProduceTopic("a-b c"), kgo.ProducerLinger(0),
			kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			t.Fatal(err)
		}
		if producer == 0 {
			if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 2, 1, nil, "a-b c"); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 3 + 6*producer {
			for part := range int32(2) {
				r := kgo.StringRecord(fmt.Sprint(i))
				r.Partition = part
				if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
					t.Fatal(err)
				}
			}
		}
		client.Close()
	}
}

// grow appends zeroes to a partition's log, as a write that was cut off does.
func grow(t *testing.T, dir string, n int) {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(dir, "partitions", "*-0", "*.dat"))
	if err != nil || len(logs) != 1 {
		t.Fatalf("%v, %v", logs, err)
	}
	f, err := os.OpenFile(logs[0], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(make([]byte, n)); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, dir string) []window {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, windowsFile))
	var all windows
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil || all.Version != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	slices.SortFunc(all.Windows, byProducer)
	return all.Windows
}

func byProducer(a, b window) int {
	return cmp.Or(cmp.Compare(a.PID, b.PID), cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Part, b.Part))
}

// No log, however broken, does more than end early.
func FuzzReadLog(f *testing.F) {
	f.Add([]byte{})
	f.Add(make([]byte, 61))
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xf0" + string(make([]byte, 60))))
	f.Fuzz(func(t *testing.T, log []byte) {
		found := map[producer]*window{}
		readLog(log, "t", 0, found)
		for p, w := range found {
			if w.Count < 1 || w.Count > 5 || w.At > 4 || p.pid < 0 {
				t.Fatalf("%+v: %+v", p, w)
			}
		}
	})
}
