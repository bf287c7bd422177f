package comet

// platforms gives numbers to the platforms that the links of a loop have named,
// so that a record holds a number and no string. They are never forgotten, so
// they are bounded: clients may name what they like. Owned by the loop.
type platforms struct {
	names   []string // by number - 1
	numbers map[string]uint32
}

// mostPlatforms bounds the platforms of a loop; later ones are unknown.
const mostPlatforms = 256

// number of a platform; 0 is the unknown.
func (p *platforms) number(name string) uint32 {
	if name == "" {
		return 0
	}
	if n, ok := p.numbers[name]; ok || len(p.names) >= mostPlatforms {
		return n
	}
	if p.numbers == nil {
		p.numbers = map[string]uint32{}
	}
	p.names = append(p.names, name)
	p.numbers[name] = uint32(len(p.names))
	return uint32(len(p.names))
}

func (p *platforms) name(number uint32) string {
	if number == 0 {
		return ""
	}
	return p.names[number-1]
}
