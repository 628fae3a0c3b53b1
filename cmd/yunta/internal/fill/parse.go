// Package fill puts values into templates: replacement strings such as {}, {.}, {/}, {2//}, {name}, {#}, with GNU parallel's meaning.
package fill

import (
	"strconv"
	"strings"
)

// Syntax says which replacement strings there are.
type Syntax struct {
	// Renamed gives replacement strings other names: from the name to one of {} {.} {/} {//} {/.} {#} {%}. The usual name then means
	// nothing.
	Renamed map[string]string
	// Plus adds the forms of GNU parallel's --plus.
	Plus bool
	// Exprs allows {= EXPRESSION =}.
	Exprs bool
	// Own are replacement strings with an expression each, as in {= =}.
	Own map[string]string
	// Names are names of columns, from their number counting from 1.
	Names map[string]int
	// Parens are used in place of {= and =}.
	Open, Shut string
}

// A Template is a text with replacement strings.
type Template struct {
	Text   string
	pieces []piece
}

// piece is literal text, or a replacement string.
type piece struct {
	text string // as written
	op   op     // nil: literal
	// which values: 0 all, n the n-th, -n the n-th from the end
	position int
	fixed    bool // the same for all values: {#}
}

// op makes a text of a value.
type op func(c *Context, value string) (string, error)

// Context is what templates are filled with.
type Context struct {
	Values []string
	Seq    int
	Slot   string // a number, or a mark that is replaced later
	Total  func() (int, error)
	Slots  int
	Quote  func(string) string // of each value; nil: none
	raw    bool                // uq() was called
}

// Parse reads a template.
func (s Syntax) Parse(text string) (*Template, error) {
	t := &Template{Text: text}
	literal := 0
	for i := 0; i < len(text); {
		p, n, err := s.at(text[i:])
		if err != nil {
			return nil, err
		}
		if n == 0 {
			i++
			continue
		}
		if literal < i {
			t.pieces = append(t.pieces, piece{text: text[literal:i]})
		}
		p.text = text[i : i+n]
		t.pieces = append(t.pieces, p)
		i += n
		literal = i
	}
	if literal < len(text) {
		t.pieces = append(t.pieces, piece{text: text[literal:]})
	}
	return t, nil
}

// at reads a replacement string at the beginning of a text; n is its length, 0 when there is none.
func (s Syntax) at(text string) (p piece, n int, err error) {
	for name, meaning := range s.Renamed {
		if strings.HasPrefix(text, name) && len(name) > n {
			p.op, p.fixed, _ = basic(strings.Trim(meaning, "{}"))
			n = len(name)
		}
	}
	for name, expr := range s.Own {
		if strings.HasPrefix(text, name) && len(name) > n {
			if p, err = expression(expr); err != nil {
				return p, 0, err
			}
			n = len(name)
		}
	}
	if n > 0 {
		return p, n, nil
	}
	if s.Exprs {
		open, shut := s.Open, s.Shut
		if open == "" {
			open, shut = "{=", "=}"
		}
		if strings.HasPrefix(text, open) {
			end := strings.Index(text[len(open):], shut)
			if end < 0 {
				return p, 0, nil
			}
			p, err := expression(text[len(open) : len(open)+end])
			return p, len(open) + end + len(shut), err
		}
	}
	if text[0] != '{' {
		return p, 0, nil
	}
	end := strings.IndexByte(text, '}')
	if end < 0 {
		return p, 0, nil
	}
	body := text[1:end]
	// A position, then a form.
	form := strings.TrimLeft(strings.TrimPrefix(body, "-"), "0123456789")
	if number := body[:len(body)-len(form)]; number != "" && number != "-" && number != "0" {
		if p.position, err = strconv.Atoi(number); err == nil && p.position != 0 {
			if p.op, p.fixed, _ = s.form(form); p.op != nil && !p.fixed {
				return p, end + 1, nil
			}
		}
		p.position = 0
	}
	for name, meaning := range s.Renamed { // what was renamed has lost its usual name
		_ = name
		if meaning == text[:end+1] {
			return piece{}, 0, nil
		}
	}
	if p.op, p.fixed, _ = s.form(body); p.op != nil {
		return p, end + 1, nil
	}
	// The longest name.
	best := -1
	for name, position := range s.Names {
		if rest, ok := strings.CutPrefix(body, name); ok && len(name) > best && name != "" {
			if o, fixed, _ := s.form(rest); o != nil && !fixed {
				best, p.op, p.fixed, p.position = len(name), o, false, position
			}
		}
	}
	if best >= 0 {
		return p, end + 1, nil
	}
	return piece{}, 0, nil
}

func (s Syntax) form(form string) (o op, fixed, ok bool) {
	if expr, own := s.Own["{"+form+"}"]; own {
		p, err := expression(expr)
		return p.op, false, err == nil
	}
	if o, fixed, ok = basic(form); ok || !s.Plus {
		return o, fixed, ok
	}
	return plus(form)
}

// Empty reports whether there is no replacement string at all.
func (t *Template) Empty() bool {
	for _, p := range t.pieces {
		if p.op != nil {
			return false
		}
	}
	return true
}

// UsesValues reports whether what the template gives depends on the values.
func (t *Template) UsesValues() bool {
	for _, p := range t.pieces {
		if p.op != nil && !p.fixed {
			return true
		}
	}
	return false
}

// Begins reports whether the template begins with a value.
func (t *Template) Begins() bool {
	return len(t.pieces) > 0 && t.pieces[0].op != nil && !t.pieces[0].fixed
}

// UsesSlot reports whether {%} is in it, and UsesSeq whether {#}, or something else that is known only of a job that has its number.
func (t *Template) UsesSlot() bool { return t.contains("%}") || t.contains("slot()") }

// UsesSeq reports whether {#} is in it.
func (t *Template) UsesSeq() bool { return t.contains("#}") || t.contains("seq()") }

func (t *Template) contains(mark string) bool {
	for _, p := range t.pieces {
		if p.op != nil && p.fixed && strings.Contains(p.text, mark) || p.op != nil && strings.Contains(p.text, "{=") && strings.Contains(p.text, mark) {
			return true
		}
	}
	return false
}

// Literals calls f with each literal text, and with "" in place of each replacement string; it is for those who look at what stands
// around them.
func (t *Template) Literals(f func(literal, placeholder string)) {
	for _, p := range t.pieces {
		if p.op == nil {
			f(p.text, "")
		} else {
			f("", p.text)
		}
	}
}

// MapLiterals changes the literal texts.
func (t *Template) MapLiterals(f func(string) string) *Template {
	n := &Template{Text: t.Text}
	for _, p := range t.pieces {
		if p.op == nil {
			p.text = f(p.text)
		}
		n.pieces = append(n.pieces, p)
	}
	return n
}
