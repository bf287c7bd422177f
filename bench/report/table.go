package report

// tables of several metrics stand below each other in the same columns.
type tables struct {
	Tables  []table
	Engines []string
}

// Columns of the tables, with that of the points.
func (t tables) Columns() int { return len(t.Engines) + 1 }

// table is a metric: a line for each point, a column for each engine.
type table struct {
	Title string
	Rows  []tableRow
}

// Alone says whether there is one line, which then bears the title.
func (t table) Alone() bool { return len(t.Rows) == 1 && t.Rows[0].Point == "" }

type tableRow struct {
	Point string
	Cells []tableCell
}

type tableCell struct {
	cell
	Few bool // fewer samples than the case with the most
}

// table of m over all points of s.
func (s *section) table(m *Metric) table {
	t := table{Title: m.title()}
	most := 0
	for _, g := range s.groups {
		for _, c := range g.row(m.Name) {
			most = max(most, c.N)
		}
	}
	for _, g := range s.groups {
		row := tableRow{Point: pointTitle(s.distinct(g))}
		for _, c := range g.row(m.Name) {
			row.Cells = append(row.Cells, tableCell{c, c.N < most})
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

func (m *Metric) title() string {
	if m.Unit == "" {
		return m.Name
	}
	return m.Name + ", " + m.Unit
}
