package input

import (
	"errors"
	"io"
)

// A Packer puts the rows of several jobs into one.
type Packer struct {
	Rows  Rows
	Most  int                  // rows of one pack; 0: as many as fit
	Size  func(rows []Row) int // of the command they make, in bytes; nil: they always fit
	Limit int                  // of that
	Share int                  // what is left at the end of the input is shared out in so many packs; 0 and 1: it is not

	ahead []Row // read, in no pack yet
	packs [][]Row
	end   error
}

// Next returns the rows of the next pack, of which there is always one, even if it does not fit.
func (p *Packer) Next(stop <-chan struct{}) ([]Row, error) {
	if len(p.packs) > 0 {
		pack := p.packs[0]
		p.packs = p.packs[1:]
		return pack, nil
	}
	// Sizes are asked for whenever there are twice as many rows: the answer takes time in proportion.
	n, checked := 0, 0
	for p.Most == 0 || n < p.Most {
		if n == len(p.ahead) && !p.read(stop) {
			break
		}
		n++
		if p.Size == nil || n < 2*checked && n != p.Most {
			continue
		}
		if p.Size(p.ahead[:n]) > p.Limit {
			n = p.fitting(checked, n)
			break
		}
		checked = n
	}
	if p.Size != nil && n > 1 && p.Size(p.ahead[:n]) > p.Limit {
		n = p.fitting(checked, n)
	}
	if n == 0 {
		return nil, p.end
	}
	if p.Share > 1 && n == len(p.ahead) && (p.end != nil || !p.read(stop)) && errors.Is(p.end, io.EOF) {
		return p.share(), nil
	}
	pack := p.ahead[:n:n]
	p.ahead = p.ahead[n:]
	return pack, nil
}

// fitting finds the largest pack between one that fits and one that does not.
func (p *Packer) fitting(fits, not int) int {
	for not-fits > 1 {
		if mid := (fits + not) / 2; p.Size(p.ahead[:mid]) <= p.Limit {
			fits = mid
		} else {
			not = mid
		}
	}
	return max(fits, 1)
}

func (p *Packer) read(stop <-chan struct{}) bool {
	if p.end != nil {
		return false
	}
	row, err := p.Rows.Next(stop)
	if err != nil {
		p.end = err
		return false
	}
	p.ahead = append(p.ahead, row)
	return true
}

// share cuts what is left into packs of nearly the same size, the larger ones first.
func (p *Packer) share() []Row {
	n, parts := len(p.ahead), min(p.Share, len(p.ahead))
	each, more := n/parts, n%parts
	for i := range parts {
		size := each
		if i < more {
			size++
		}
		p.packs = append(p.packs, p.ahead[:size:size])
		p.ahead = p.ahead[size:]
	}
	pack := p.packs[0]
	p.packs = p.packs[1:]
	return pack
}

// Rest returns a Packer that hands out packs which are there already.
func (p *Packer) Rest(packs [][]Row) *Packer { return &Packer{packs: packs, end: io.EOF} }
