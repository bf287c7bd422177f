package frame

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"testing"
)

// vector is an entry of testdata/frames.json, against which the codec of every
// language is tested.
type vector struct{ Name, Hex, Note string }

func vectors(t testing.TB) (valid, invalid []vector) {
	t.Helper()
	data, err := os.ReadFile("testdata/frames.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Valid, Invalid []vector }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Valid) == 0 || len(file.Invalid) == 0 {
		t.Fatal("testdata/frames.json holds no vectors")
	}
	return file.Valid, file.Invalid
}

func (v vector) bytes(t testing.TB) []byte {
	t.Helper()
	b, err := hex.DecodeString(v.Hex)
	if err != nil {
		t.Fatalf("vector %q: %v", v.Name, err)
	}
	return b
}

const vectorMax = 1 << 16

// stream reads b to its end as TCP carries it, with the frames of batches in
// the place of these.
func stream(b []byte) (frames []Frame, err error) {
	for len(b) > 0 {
		f, n, err := Next(b, vectorMax)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			return nil, ErrInner
		}
		b = b[n:]
		if f.Op != OpBatch {
			frames = append(frames, f)
			continue
		}
		for f, err := range Frames(f.Body, vectorMax) {
			if err != nil {
				return nil, err
			}
			frames = append(frames, f)
		}
	}
	return frames, nil
}

func TestVectorsValid(t *testing.T) {
	push := func(op Op, body string) Frame { return Frame{op, 0, []byte(body)} }
	two := []Frame{push(1000, `{"test":1}`), push(1001, "弹幕")}
	want := map[string][]Frame{
		"auth": {{OpAuth, 1, []byte(
			`{"mid":123,"key":"","room_id":"live://1000","platform":"web","accepts":[1000,1001,1002]}`)}},
		"auth reply":                          {{OpAuthReply, 1, nil}},
		"heartbeat":                           {{OpHeartbeat, 2, nil}},
		"heartbeat with a body (old clients)": {{OpHeartbeat, 3, []byte("hb")}},
		"heartbeat reply, 7 online":           {{OpHeartbeatReply, 2, []byte{0, 0, 0, 7}}},
		"change room":                         {{OpChangeRoom, 4, []byte("live://2000")}},
		"change room reply":                   {{OpChangeRoomReply, 4, nil}},
		"add accepts":                         {{OpAddAccepts, 5, []byte("1003,1004")}},
		"push on TCP":                         two[:1],
		"two pushes on TCP":                   two,
		"two pushes in one WebSocket message": two,
		"disconnect":                          {{OpDisconnect, 0, []byte(`{"code":3005,"reason":"draining","retry_ms":4200}`)}},
		"gap marker":                          {{OpGap, 0, []byte(`{"room":"live://1000","lane":"chat","skipped":37}`)}},
		"empty body, largest seq":             {{1000, 0xffffffff, nil}},
	}
	valid, _ := vectors(t)
	for _, v := range valid {
		t.Run(v.Name, func(t *testing.T) {
			frames, ok := want[v.Name]
			if !ok {
				t.Fatal("a new vector: write down what it means")
			}
			got, err := stream(v.bytes(t))
			if err != nil {
				t.Fatal(err)
			}
			equalFrames(t, got, frames)
			equalWrites(t, v.bytes(t))
		})
	}
}

func equalFrames(t *testing.T, got, want []Frame) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d frames, want %d", len(got), len(want))
	}
	for i, f := range got {
		if f.Op != want[i].Op || f.Seq != want[i].Seq || !bytes.Equal(f.Body, want[i].Body) {
			t.Errorf("frame %d: %v seq %d %q, want %v seq %d %q",
				i, f.Op, f.Seq, f.Body, want[i].Op, want[i].Seq, want[i].Body)
		}
	}
}

// equalWrites checks that what was read is written as the same bytes.
func equalWrites(t *testing.T, b []byte) {
	t.Helper()
	var again []byte
	for rest := b; len(rest) > 0; {
		f, n, err := Next(rest, vectorMax)
		if err != nil || n == 0 {
			t.Fatalf("n %d, %v", n, err)
		}
		again = Append(again, f.Op, f.Seq, f.Body)
		rest = rest[n:]
	}
	if !bytes.Equal(again, b) {
		t.Errorf("written again: %x\nwant %x", again, b)
	}
}

func TestVectorsInvalid(t *testing.T) {
	want := map[string]error{
		"package length 0":                         ErrLength,
		"package length 15":                        ErrLength,
		"package length -1":                        ErrLength,
		"header length 15":                         ErrHeaderLength,
		"header length 17":                         ErrHeaderLength,
		"batch with a frame longer than the batch": ErrInner,
	}
	_, invalid := vectors(t)
	for _, v := range invalid {
		t.Run(v.Name, func(t *testing.T) {
			fault, ok := want[v.Name]
			if !ok {
				t.Fatal("a new vector: write down what is wrong with it")
			}
			if frames, err := stream(v.bytes(t)); !errors.Is(err, fault) {
				t.Errorf("%d frames, %v; want %v", len(frames), err, fault)
			}
		})
	}
}
