package report

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// drawing is an SVG image: shapes in their order, in units that are pixels on
// a wide screen. Colours are classes of the page's style sheet.
type drawing struct {
	Width, Height float64
	Title         string // read aloud instead of the image
	Shapes        []shape
}

// shape is one element; Kind chooses it and what the numbers mean.
type shape struct {
	Kind, Class  string
	X, Y, X2, Y2 float64 // a rect's X2 and Y2 are width and height, a dot's X2 the radius
	Path         string
	Anchor, Text string
}

func (d *drawing) line(class string, x1, y1, x2, y2 float64) {
	d.Shapes = append(d.Shapes, shape{Kind: "line", Class: class, X: round(x1), Y: round(y1), X2: round(x2), Y2: round(y2)})
}

func (d *drawing) rect(class string, x, y, w, h float64) {
	d.Shapes = append(d.Shapes, shape{Kind: "rect", Class: class, X: round(x), Y: round(y), X2: round(max(w, 0)), Y2: round(h)})
}

func (d *drawing) dot(class string, x, y, r float64) {
	d.Shapes = append(d.Shapes, shape{Kind: "dot", Class: class, X: round(x), Y: round(y), X2: r})
}

// text is anchored at its start, middle or end; y is its base line.
func (d *drawing) text(class, anchor string, x, y float64, text string) {
	d.Shapes = append(d.Shapes, shape{Kind: "text", Class: class, Anchor: anchor, X: round(x), Y: round(y), Text: text})
}

// curve joins points by straight lines; fewer than two are nothing.
func (d *drawing) curve(class string, points []point) {
	if len(points) < 2 {
		return
	}
	var path strings.Builder
	for i, p := range points {
		fmt.Fprintf(&path, "%c%v %v", "ML"[min(i, 1)], round(p.x), round(p.y))
	}
	d.Shapes = append(d.Shapes, shape{Kind: "curve", Class: class, Path: path.String()})
}

type point struct{ x, y float64 }

// round to a tenth of a pixel: nobody sees more, and documents stay small.
func round(v float64) float64 { return math.Round(v*10) / 10 }

// widthOf is about how wide text is in the charts' type, which is 12 pixels
// high. Only a browser knows it exactly; it is rather too much than too little.
func widthOf(text string) float64 { return 6.6 * float64(utf8.RuneCountInString(text)) }

// clip shortens text to about width pixels.
func clip(text string, width float64) string {
	if widthOf(text) <= width+1 { // for rounding
		return text
	}
	n := int(width / widthOf("m"))
	return string([]rune(text)[:max(n-1, 1)]) + "…"
}
