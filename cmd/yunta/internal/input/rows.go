package input

import (
	"errors"
	"io"
	"math/rand/v2"
	"regexp"
)

// A Row is what one job gets: a value of each source, or the columns of its values.
type Row []string

// Rows hands out rows, one after the other.
type Rows interface {
	// Next returns the next row, with the errors of Source.
	Next(stop <-chan struct{}) (Row, error)
}

// A Group is sources that are taken from in step.
type Group struct {
	Sources []Source
	Recycle bool // a source that has ended begins again, until the longest has ended; else the shortest ends all
}

// Options say how values become rows.
type Options struct {
	Columns *regexp.Regexp // cuts each value into columns; nil: it is one
	Header  bool           // the first value of each source names its columns
	Shuffle bool           // in random order
}

// Combined are all combinations of the rows of several groups, the last one changing fastest. The first group is read as it comes, and may
// be endless; the others are read whole.
type Combined struct {
	first  Rows
	others [][]Row
	rest   []Rows
	row    Row
	index  []int // into others; nil: the next row of first is due
	read   bool
	names  []string
	shuf   bool
}

// Combine makes the rows of groups, of which there is at least one.
func Combine(groups []Group, o Options) *Combined {
	c := &Combined{shuf: o.Shuffle}
	for i, g := range groups {
		r := &linked{Group: g, o: o}
		if i == 0 {
			c.first = r
		} else {
			c.rest = append(c.rest, r)
		}
	}
	return c
}

// Names returns the names of the columns, when there is a header. It reads it.
func (c *Combined) Names(stop <-chan struct{}) ([]string, error) {
	if c.names != nil {
		return c.names, nil
	}
	for _, r := range append([]Rows{c.first}, c.rest...) {
		names, err := r.(*linked).header(stop)
		if err != nil && err != io.EOF {
			return nil, err
		}
		c.names = append(c.names, names...)
	}
	return c.names, nil
}

func (c *Combined) prepare(stop <-chan struct{}) error {
	if c.read {
		return nil
	}
	for _, r := range c.rest[len(c.others):] {
		rows, err := All(r, stop)
		if err != nil {
			return err
		}
		c.others = append(c.others, rows)
	}
	c.read = true
	if !c.shuf {
		return nil
	}
	c.shuf = false
	all, err := All(c, stop)
	if err != nil {
		return err
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	c.first, c.others, c.index = &listed{all}, nil, nil
	return nil
}

// Next implements Rows.
func (c *Combined) Next(stop <-chan struct{}) (Row, error) {
	if err := c.prepare(stop); err != nil {
		return nil, err
	}
	for _, rows := range c.others {
		if len(rows) == 0 {
			return nil, io.EOF
		}
	}
	if c.index == nil {
		row, err := c.first.Next(stop)
		if err != nil || len(c.others) == 0 {
			return row, err
		}
		c.row, c.index = row, make([]int, len(c.others))
	}
	row := append(Row{}, c.row...)
	for i, j := range c.index {
		row = append(row, c.others[i][j]...)
	}
	for i := len(c.index) - 1; ; i-- {
		if i < 0 {
			c.index = nil
			break
		}
		if c.index[i]++; c.index[i] < len(c.others[i]) {
			break
		}
		c.index[i] = 0
	}
	return row, nil
}

// All reads rows to their end.
func All(r Rows, stop <-chan struct{}) (rows []Row, err error) {
	for {
		row, err := r.Next(stop)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, err
		}
		rows = append(rows, row)
	}
}

type listed struct{ rows []Row }

// Listed are rows that are there already.
func Listed(rows []Row) Rows { return &listed{rows} }

func (l *listed) Next(<-chan struct{}) (Row, error) {
	if len(l.rows) == 0 {
		return nil, io.EOF
	}
	r := l.rows[0]
	l.rows = l.rows[1:]
	return r, nil
}

// linked are the rows of one group.
type linked struct {
	Group
	o     Options
	seen  [][]string // values so far, when they may be recycled
	ended []bool
	index int
	named bool
}

func (l *linked) header(stop <-chan struct{}) (names []string, err error) {
	if !l.o.Header || l.named {
		return nil, nil
	}
	l.named = true
	for _, s := range l.Sources {
		v, err := s.Next(stop)
		if err != nil {
			return names, err
		}
		names = append(names, l.split(v)...)
	}
	return names, nil
}

func (l *linked) split(v string) []string {
	if l.o.Columns == nil {
		return []string{v}
	}
	return l.o.Columns.Split(v, -1)
}

func (l *linked) Next(stop <-chan struct{}) (Row, error) {
	if _, err := l.header(stop); err != nil {
		return nil, err
	}
	if !l.Recycle || len(l.Sources) == 1 {
		var row Row
		for _, s := range l.Sources {
			v, err := s.Next(stop)
			if err != nil {
				return nil, err
			}
			row = append(row, l.split(v)...)
		}
		return row, nil
	}
	if l.seen == nil {
		l.seen, l.ended = make([][]string, len(l.Sources)), make([]bool, len(l.Sources))
	}
	fresh, values := false, make([]string, len(l.Sources))
	for i, s := range l.Sources {
		if !l.ended[i] {
			v, err := s.Next(stop)
			if err == nil {
				l.seen[i] = append(l.seen[i], v)
				values[i], fresh = v, true
				continue
			}
			if !errors.Is(err, io.EOF) {
				return nil, err
			}
			l.ended[i] = true
		}
		if n := len(l.seen[i]); n > 0 {
			values[i] = l.seen[i][l.index%n]
		}
	}
	if !fresh {
		return nil, io.EOF
	}
	l.index++
	var row Row
	for _, v := range values {
		row = append(row, l.split(v)...)
	}
	return row, nil
}
