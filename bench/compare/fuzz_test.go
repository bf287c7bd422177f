package compare

import (
	"bytes"
	"io"
	"testing"

	"github.com/oortim/oort/bench/report"
)

// FuzzRead: whatever a document says, it is refused or can be shown, read back
// and compared.
func FuzzRead(f *testing.F) {
	few := usual
	few.repeat = 2
	var doc bytes.Buffer
	if err := few.run().JSON(&doc); err != nil {
		f.Fatal(err)
	}
	f.Add(doc.Bytes())
	f.Add([]byte(`{"tool":"oort bench","format":1,"cases":[{"metrics":[{"name":"é","of":"e","better":"lower","samples":[1e308,-1e308,5e-324]}]}]}`))
	f.Add([]byte(`{"tool":"oort bench","format":1,"cases":[{"point":[{"name":"a","value":"1e308"}],"metrics":[{"floor":"","better":"?","samples":[0]}]},{}]}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		r, err := report.Read(bytes.NewReader(doc))
		if err != nil {
			return
		}
		for _, write := range []func(io.Writer) error{r.Text, r.HTML} {
			if err := write(io.Discard); err != nil {
				t.Error(err)
			}
		}
		if err := Runs(r, r).Text(io.Discard, true); err != nil {
			t.Error(err)
		}
		var again bytes.Buffer
		if err := r.JSON(&again); err != nil {
			t.Error(err)
		}
		if _, err := report.Read(&again); err != nil {
			t.Error(err)
		}
	})
}
