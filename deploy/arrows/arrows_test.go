// Package arrows checks which packages may know which. The parts of the
// gateway meet in proto/*pb only, and their cores compile without gRPC, Redis
// and Kafka, so that each can be read, tested and replaced alone.
package arrows

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/oortim/oort"

// graph says what each package imports directly.
type graph map[string][]string

// allowed are the trees that the packages of a tree may import, of ours; a
// package may always import its own tree. Trees that are not listed (main,
// deploy) are where things are put together and may import anything.
var allowed = map[string][]string{
	"proto":          {},
	"poller":         {},
	"comet":          {"proto", "poller"},
	"logic":          {"proto"},
	"job":            {"proto"},
	"client":         {"proto"},
	"bench":          {"proto", "client", "poller"},
	"bench/echo":     {"bench", "proto", "poller", "comet/slab"},             // made of what a comet is made of
	"bench/scenario": {"bench", "proto", "client", "poller", "comet/ledger"}, // the words of lanes and outcomes
	"bench/server":   {"bench", "proto", "poller", "comet", "logic"},         // the server under test
	"deploy/ops":     {},
}

// faults holds the names of defects that a build tag switches on; it imports
// nothing, and whatever a test must see broken may import it.
const faults = module + "/deploy/fault"

// cores must not reach the libraries in banned, by any path.
var cores = []string{"comet", "comet/link", "comet/room", "logic", "job"}

var banned = []string{
	"google.golang.org/grpc",
	"github.com/redis/rueidis",
	"github.com/twmb/franz-go",
	"go.opentelemetry.io/otel",
}

// violations lists the arrows of g that are forbidden, as sentences.
func violations(g graph) []string {
	var found []string
	for _, pkg := range sortedKeys(g) {
		for _, imported := range g[pkg] {
			if !mayImport(pkg, imported) {
				found = append(found, fmt.Sprintf("%s imports %s", short(pkg), short(imported)))
			}
		}
	}
	for _, core := range cores {
		for _, lib := range banned {
			if path := g.pathTo(module+"/"+core, lib); path != nil {
				found = append(found, fmt.Sprintf("core %s reaches %s: %s", core, lib, strings.Join(path, " → ")))
			}
		}
	}
	return found
}

// mayImport judges one direct arrow.
func mayImport(pkg, imported string) bool {
	tree, ours := treeOf(pkg)
	if !ours || !under(imported, module) || imported == faults {
		return true
	}
	for _, to := range append([]string{tree}, allowed[tree]...) {
		if under(imported, module+"/"+to) {
			return true
		}
	}
	return false
}

// treeOf finds the tree of allowed that pkg lies in, the innermost of several.
func treeOf(pkg string) (tree string, ok bool) {
	for t := range allowed {
		if under(pkg, module+"/"+t) && len(t) > len(tree) {
			tree = t
		}
	}
	return tree, tree != ""
}

// under says whether pkg is root or lies below it.
func under(pkg, root string) bool {
	return pkg == root || strings.HasPrefix(pkg, root+"/")
}

// pathTo is a shortest way of imports from pkg into lib, nil if there is none.
func (g graph) pathTo(pkg, lib string) []string {
	from := map[string]string{pkg: ""}
	for queue := []string{pkg}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if under(at, lib) {
			return trail(from, at)
		}
		for _, next := range g[at] {
			if _, seen := from[next]; !seen {
				from[next] = at
				queue = append(queue, next)
			}
		}
	}
	return nil
}

func trail(from map[string]string, at string) []string {
	var path []string
	for ; at != ""; at = from[at] {
		path = append(path, short(at))
	}
	slices.Reverse(path)
	return path
}

func short(pkg string) string { return strings.TrimPrefix(pkg, module+"/") }

func sortedKeys(g graph) []string {
	keys := make([]string, 0, len(g))
	for k := range g {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// readGraph asks the go command.
func readGraph(t *testing.T) graph {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Imports,Standard", module+"/...")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%v: %s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	g := graph{}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var pkg struct {
			ImportPath string
			Imports    []string
			Standard   bool
		}
		if err := dec.Decode(&pkg); errors.Is(err, io.EOF) {
			return g
		} else if err != nil {
			t.Fatal(err)
		}
		if !pkg.Standard {
			g[pkg.ImportPath] = pkg.Imports
		}
	}
}

func TestArrows(t *testing.T) {
	g := readGraph(t)
	for _, part := range []string{"comet", "logic", "job", "poller"} {
		if _, ok := g[module+"/"+part]; !ok {
			t.Errorf("package %s is missing: does the test still look at the right module?", part)
		}
	}
	for _, v := range violations(g) {
		t.Error(v)
	}
}

// TestViolationsAreFound shows that each rule can fail.
func TestViolationsAreFound(t *testing.T) {
	const m = module + "/"
	for _, tc := range []struct {
		name string
		g    graph
		want string // "" for none
	}{
		{"proto imports a part", graph{m + "proto/frame": {m + "comet"}}, "proto/frame imports comet"},
		{"proto imports proto", graph{m + "proto/cometpb": {m + "proto/pushpb"}}, ""},
		{"poller imports proto", graph{m + "poller/raw": {m + "proto/frame"}}, "poller/raw imports proto/frame"},
		{"comet imports logic", graph{m + "comet/rpc": {m + "logic"}}, "comet/rpc imports logic"},
		{"logic imports job", graph{m + "logic": {m + "job/dispatch"}}, "logic imports job/dispatch"},
		{"job imports comet", graph{m + "job/dispatch": {m + "comet/room"}}, "job/dispatch imports comet/room"},
		{"a part imports the wiring", graph{m + "logic/httpapi": {m + "deploy/ops"}}, "logic/httpapi imports deploy/ops"},
		{"a part imports main", graph{m + "job": {module}}, "job imports " + module},
		{"comet imports below", graph{m + "comet": {m + "comet/link", m + "poller", m + "proto/frame"}}, ""},
		{"a name that only begins alike", graph{m + "cometology": {m + "logic"}}, ""},
		{"the bench imports an engine", graph{m + "bench/echo": {m + "poller/engines"}}, ""},
		{"the bench imports a comet", graph{m + "bench/push": {m + "comet"}}, "bench/push imports comet"},
		{"its server imports a comet", graph{m + "bench/server": {m + "comet", m + "bench/stamp"}}, ""},
		{"its server imports a job", graph{m + "bench/server": {m + "job"}}, "bench/server imports job"},
		{"main imports all", graph{module: {m + "comet/rpc", m + "logic/rpc", m + "job", "google.golang.org/grpc"}}, ""},
		{"an adapter imports its library", graph{m + "logic/session/redis": {m + "logic", "github.com/redis/rueidis"}}, ""},
		{"a core imports gRPC", graph{m + "comet": {"google.golang.org/grpc/status"}}, "core comet reaches google.golang.org/grpc: comet → google.golang.org/grpc/status"},
		{"a core imports a service's stubs", graph{m + "job": {m + "proto/cometpb"}, m + "proto/cometpb": {"google.golang.org/grpc"}}, "core job reaches google.golang.org/grpc: job → proto/cometpb → google.golang.org/grpc"},
		{"a core imports messages", graph{m + "job": {m + "proto/pushpb"}, m + "proto/pushpb": {"google.golang.org/protobuf/proto"}}, ""},
		{"a core imports Redis", graph{m + "logic": {m + "logic/x"}, m + "logic/x": {"github.com/redis/rueidis/rueidiscompat"}}, "core logic reaches github.com/redis/rueidis"},
		{"a core imports OpenTelemetry", graph{m + "comet": {m + "proto/traceparent"}, m + "proto/traceparent": {"go.opentelemetry.io/otel/trace"}}, "core comet reaches go.opentelemetry.io/otel"},
		{"a core imports Kafka", graph{m + "job": {"github.com/twmb/franz-go/pkg/kgo"}}, "core job reaches github.com/twmb/franz-go"},
		{"a room imports gRPC", graph{m + "comet/room": {"google.golang.org/grpc"}}, "core comet/room reaches"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := strings.Join(violations(tc.g), "; ")
			if tc.want == "" && got != "" || !strings.Contains(got, tc.want) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
