package fill

import (
	"strings"
)

// Fill returns the template with the values in the place of its replacement strings. One that stands for several values gives them all,
// with blanks between.
func (t *Template) Fill(c *Context) (string, error) {
	var b strings.Builder
	if err := fillPieces(&b, t.pieces, c); err != nil {
		return "", err
	}
	return b.String(), nil
}

func fillPieces(b *strings.Builder, pieces []piece, c *Context) error {
	for _, p := range pieces {
		if p.op == nil {
			b.WriteString(p.text)
			continue
		}
		if err := p.fill(b, c); err != nil {
			return err
		}
	}
	return nil
}

func (p piece) fill(b *strings.Builder, c *Context) error {
	one := func(v string) error {
		c.raw = false
		v, err := p.op(c, v)
		if err != nil {
			return err
		}
		if c.Quote != nil && !p.fixed && !c.raw {
			v = c.Quote(v)
		}
		b.WriteString(v)
		return nil
	}
	switch {
	case p.fixed:
		return one("")
	case p.position == 0:
		for i, v := range c.Values {
			if i > 0 {
				b.WriteByte(' ')
			}
			if err := one(v); err != nil {
				return err
			}
		}
		return nil
	}
	if v, ok := c.at(p.position); ok {
		return one(v)
	}
	return nil // a position that no value has gives nothing, not even quotes
}

func (c *Context) at(position int) (string, bool) {
	i := position - 1
	if position < 0 {
		i = len(c.Values) + position
	}
	if i < 0 || i >= len(c.Values) {
		return "", false
	}
	return c.Values[i], true
}

// FillContext is Fill for several values which repeats, for each of them, the word around a replacement string (GNU parallel's -X): what
// stands between white space.
func (t *Template) FillContext(c *Context) (string, error) {
	var b strings.Builder
	for _, word := range t.words() {
		many := false
		for _, p := range word {
			many = many || p.op != nil && !p.fixed && p.position == 0
		}
		if !many {
			if err := fillPieces(&b, word, c); err != nil {
				return "", err
			}
			continue
		}
		for i, v := range c.Values {
			if i > 0 {
				b.WriteByte(' ')
			}
			one := *c
			one.Values = []string{v}
			if err := fillPieces(&b, word, &one); err != nil {
				return "", err
			}
		}
	}
	return b.String(), nil
}

// words cuts the pieces at white space, which is a word of its own.
func (t *Template) words() (words [][]piece) {
	var word []piece
	flush := func() {
		if word != nil {
			words = append(words, word)
			word = nil
		}
	}
	for _, p := range t.pieces {
		if p.op != nil {
			word = append(word, p)
			continue
		}
		text := p.text
		for text != "" {
			n := strings.IndexAny(text, " \t\n")
			switch n {
			case 0:
				flush()
				rest := strings.TrimLeft(text, " \t\n")
				words = append(words, []piece{{text: text[:len(text)-len(rest)]}})
				text = rest
				continue
			case -1:
				n = len(text)
			}
			word = append(word, piece{text: text[:n]})
			text = text[n:]
		}
	}
	flush()
	return words
}

// FillWord is for an argument of an argument vector, which no shell reads: it returns one argument, or one for each value if a replacement
// string stands for several values.
func (t *Template) FillWord(c *Context) ([]string, error) {
	many := false
	for _, p := range t.pieces {
		many = many || p.op != nil && !p.fixed && p.position == 0
	}
	if !many || len(c.Values) == 1 {
		s, err := t.Fill(c)
		return []string{s}, err
	}
	var words []string
	for _, v := range c.Values {
		one := *c
		one.Values = []string{v}
		s, err := t.FillWithPositions(&one, c.Values)
		if err != nil {
			return nil, err
		}
		words = append(words, s)
	}
	return words, nil
}

// FillWithPositions is Fill in which positions count in all.
func (t *Template) FillWithPositions(c *Context, all []string) (string, error) {
	var b strings.Builder
	whole := *c
	whole.Values = all
	for _, p := range t.pieces {
		switch {
		case p.op == nil:
			b.WriteString(p.text)
			continue
		case p.position != 0:
			if err := p.fill(&b, &whole); err != nil {
				return "", err
			}
			continue
		}
		if err := p.fill(&b, c); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}
