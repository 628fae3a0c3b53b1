package fill

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// assignment reads an expression up to a semicolon; its value becomes $_.
func assignment(s string) (op, string, error) {
	p := &parser{rest: s}
	o, err := p.sum()
	if err == nil {
		p.blanks()
		if p.rest != "" && p.rest[0] != ';' {
			err = fmt.Errorf("%q is not understood", p.rest)
		}
	}
	return o, p.rest, err
}

// parser reads sums and products of terms, by descent.
type parser struct{ rest string }

func (p *parser) blanks() { p.rest = strings.TrimLeft(p.rest, " \t\n") }

func (p *parser) take(operators string) byte {
	p.blanks()
	if p.rest == "" || strings.IndexByte(operators, p.rest[0]) < 0 {
		return 0
	}
	c := p.rest[0]
	p.rest = p.rest[1:]
	return c
}

func (p *parser) sum() (op, error) { return p.chain("+-.", p.product) }

func (p *parser) product() (op, error) { return p.chain("*/%", p.term) }

func (p *parser) chain(operators string, next func() (op, error)) (op, error) {
	left, err := next()
	for err == nil {
		operator := p.take(operators)
		if operator == 0 {
			break
		}
		var right op
		if right, err = next(); err == nil {
			left = combine(operator, left, right)
		}
	}
	return left, err
}

func combine(operator byte, left, right op) op {
	return func(c *Context, v string) (string, error) {
		l, err := left(c, v)
		if err != nil {
			return "", err
		}
		r, err := right(c, v)
		if err != nil {
			return "", err
		}
		if operator == '.' {
			return l + r, nil
		}
		a, b := number(l), number(r)
		switch operator {
		case '+':
			a += b
		case '-':
			a -= b
		case '*':
			a *= b
		default:
			if b == 0 {
				return "", fmt.Errorf("%s %c 0", l, operator)
			}
			if operator == '/' {
				a /= b
			} else {
				a = math.Mod(a, b)
			}
		}
		return strconv.FormatFloat(a, 'g', 15, 64), nil
	}
}

// number reads the number at the beginning of a text, as perl does: 0 if there is none.
func number(s string) float64 {
	s = strings.TrimSpace(s)
	for n := len(s); n > 0; n-- {
		if f, err := strconv.ParseFloat(s[:n], 64); err == nil {
			return f
		}
	}
	return 0
}

var functions = map[string]func(string) string{
	"uc":      strings.ToUpper,
	"lc":      strings.ToLower,
	"ucfirst": func(v string) string { return first(v, unicode.ToUpper) },
	"lcfirst": func(v string) string { return first(v, unicode.ToLower) },
	"length":  func(v string) string { return strconv.Itoa(utf8.RuneCountInString(v)) },
	"int":     func(v string) string { return strconv.FormatFloat(math.Trunc(number(v)), 'f', -1, 64) },
}

func first(v string, change func(rune) rune) string {
	r, n := utf8.DecodeRuneInString(v)
	if n == 0 || r == utf8.RuneError {
		return v
	}
	return string(change(r)) + v[n:]
}

func (p *parser) term() (op, error) {
	p.blanks()
	s := p.rest
	switch {
	case s == "":
		return nil, fmt.Errorf("something is missing at its end")
	case strings.HasPrefix(s, "$_"):
		p.rest = s[2:]
		return pure(func(v string) string { return v }), nil
	case s[0] == '(':
		p.rest = s[1:]
		return p.closed(p.sum())
	case s[0] == '"' || s[0] == '\'':
		end := strings.IndexByte(s[1:], s[0])
		if end < 0 || s[0] == '"' && strings.ContainsAny(s[1:1+end], `$@\`) {
			return nil, fmt.Errorf("%s is not understood", s)
		}
		p.rest = s[end+2:]
		text := s[1 : 1+end]
		return pure(func(string) string { return text }), nil
	}
	word := s[:len(s)-len(strings.TrimLeft(s, "0123456789."))]
	if word != "" {
		if _, err := strconv.ParseFloat(word, 64); err != nil {
			return nil, fmt.Errorf("%q is not a number", word)
		}
		p.rest = s[len(word):]
		return pure(func(string) string { return word }), nil
	}
	word = s[:len(s)-len(strings.TrimLeftFunc(s, unicode.IsLetter))]
	p.rest = s[len(word):]
	switch word {
	case "seq", "slot":
		p.blanks()
		if !strings.HasPrefix(p.rest, "()") {
			return nil, fmt.Errorf("%s needs ()", word)
		}
		p.rest = p.rest[2:]
		o, _, _ := basic(map[string]string{"seq": "#", "slot": "%"}[word])
		return o, nil
	}
	f, ok := functions[word]
	if !ok {
		return nil, fmt.Errorf("%q is not understood", s)
	}
	var inner op
	var err error
	p.blanks()
	switch {
	case strings.HasPrefix(p.rest, "("):
		p.rest = p.rest[1:]
		inner, err = p.closed(p.sum())
	case p.rest == "" || p.rest[0] == ';':
		inner = pure(func(v string) string { return v })
	default:
		inner, err = p.term()
	}
	return func(c *Context, v string) (string, error) {
		v, err := inner(c, v)
		return f(v), err
	}, err
}

func (p *parser) closed(o op, err error) (op, error) {
	if err == nil && p.take(")") == 0 {
		err = fmt.Errorf("a ) is missing before %q", p.rest)
	}
	return o, err
}
