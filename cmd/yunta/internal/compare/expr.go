package compare

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// An Expr is a condition on a report, such as
//
//	process.throughput < 0.8 * goroutine.throughput && primes.process.p99 > 5
//
// A number is written as in Go. ARM.METRIC is the median of a metric, of the workload that is looked at; WORKLOAD.ARM.METRIC that of
// one workload. There are + - * / ( ), the comparisons < <= > >= == !=, and && and ||.
type Expr struct {
	root  node
	names []string // ARM.METRIC or WORKLOAD.ARM.METRIC
}

type (
	// A node yields a number; a condition yields 0 or 1.
	node  func(look func(name string) (float64, bool)) (float64, bool)
	level []string
)

// levels are the operators, the loosest first.
var levels = []level{{"||"}, {"&&"}, {"<=", ">=", "==", "!=", "<", ">"}, {"+", "-"}, {"*", "/"}}

// aliases are other names of arms.
var aliases = map[string]string{"proc": "process", "go": "goroutine", "py": "python"}

// ParseExpr reads an expression. A name that no comparison has is an error.
func ParseExpr(text string) (*Expr, error) {
	p := &exprParser{rest: text, e: &Expr{}}
	root, condition, err := p.binary(0)
	if err == nil && p.space() != "" {
		err = fmt.Errorf("nothing is expected at %q", p.rest)
	}
	if err == nil && !condition {
		err = errors.New("it compares nothing")
	}
	if err != nil {
		return nil, err
	}
	p.e.root = root
	return p.e, nil
}

type exprParser struct {
	rest  string
	e     *Expr
	depth int
}

func (p *exprParser) space() string {
	p.rest = strings.TrimLeftFunc(p.rest, unicode.IsSpace)
	return p.rest
}

func (p *exprParser) operator(l level) string {
	p.space()
	for _, op := range l {
		if strings.HasPrefix(p.rest, op) {
			p.rest = p.rest[len(op):]
			return op
		}
	}
	return ""
}

// binary reads operands joined by the operators of a level. It reports whether what it read is a condition.
func (p *exprParser) binary(n int) (node, bool, error) {
	if n == len(levels) {
		return p.operand()
	}
	left, condition, err := p.binary(n + 1)
	for err == nil {
		op := p.operator(levels[n])
		if op == "" {
			return left, condition, nil
		}
		var right node
		var other bool
		if right, other, err = p.binary(n + 1); err != nil {
			break
		}
		if wanted := n < 2; condition != wanted || other != wanted {
			return nil, false, fmt.Errorf("%s stands beside what it cannot join", op)
		}
		left, condition = apply(op, left, right), n <= 2
	}
	return nil, false, err
}

func apply(op string, a, b node) node {
	truth := func(c bool) float64 {
		if c {
			return 1
		}
		return 0
	}
	return func(look func(string) (float64, bool)) (float64, bool) {
		x, known := a(look)
		y, other := b(look)
		known = known && other
		switch op {
		case "||":
			return truth(x != 0 || y != 0), true
		case "&&":
			return truth(x != 0 && y != 0), true
		case "<":
			return truth(known && x < y), true
		case "<=":
			return truth(known && x <= y), true
		case ">":
			return truth(known && x > y), true
		case ">=":
			return truth(known && x >= y), true
		case "==":
			return truth(known && x == y), true
		case "!=":
			return truth(known && x != y), true
		case "+":
			return x + y, known
		case "-":
			return x - y, known
		case "*":
			return x * y, known
		}
		return x / y, known && y != 0
	}
}

func (p *exprParser) operand() (node, bool, error) {
	p.space()
	if p.depth++; p.depth > 100 {
		return nil, false, errors.New("it is too deep")
	}
	defer func() { p.depth-- }()
	switch {
	case p.rest == "":
		return nil, false, errors.New("it ends too early")
	case p.rest[0] == '(':
		p.rest = p.rest[1:]
		n, condition, err := p.binary(0)
		if err == nil && !strings.HasPrefix(p.space(), ")") {
			err = errors.New("a parenthesis is not closed")
		}
		if err != nil {
			return nil, false, err
		}
		p.rest = p.rest[1:]
		return n, condition, nil
	case p.rest[0] == '-':
		p.rest = p.rest[1:]
		n, condition, err := p.operand()
		if err == nil && condition {
			err = errors.New("- stands before a condition")
		}
		return func(look func(string) (float64, bool)) (float64, bool) { v, ok := n(look); return -v, ok }, false, err
	}
	end := strings.IndexFunc(p.rest, func(r rune) bool {
		return r != '.' && r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	if word == "" {
		return nil, false, fmt.Errorf("nothing known begins with %q", p.rest)
	}
	p.rest = p.rest[end:]
	if word[0] >= '0' && word[0] <= '9' || word[0] == '.' {
		v, err := strconv.ParseFloat(word, 64)
		if err != nil {
			return nil, false, fmt.Errorf("%q is not a number", word)
		}
		return func(func(string) (float64, bool)) (float64, bool) { return v, true }, false, nil
	}
	parts := strings.Split(word, ".")
	if len(parts) != 2 && len(parts) != 3 {
		return nil, false, fmt.Errorf("%q is not ARM.METRIC", word)
	}
	arm := len(parts) - 2
	if full, found := aliases[parts[arm]]; found {
		parts[arm] = full
	}
	if _, found := MetricOf(parts[arm+1]); !found {
		return nil, false, fmt.Errorf("there is no metric %q", parts[arm+1])
	}
	word = strings.Join(parts, ".")
	p.e.names = append(p.e.names, word)
	return func(look func(string) (float64, bool)) (float64, bool) { return look(word) }, false, nil
}

// Check returns an error for a name that this report does not have.
func (e *Expr) Check(arms, workloads []string) error {
	has := func(list []string, name string) bool {
		for _, s := range list {
			if s == name {
				return true
			}
		}
		return false
	}
	for _, name := range e.names {
		parts := strings.Split(name, ".")
		if arm := parts[len(parts)-2]; !has(arms, arm) {
			return fmt.Errorf("nothing that is compared is called %q (there is %s)", arm, strings.Join(arms, ", "))
		}
		if len(parts) == 3 && !has(workloads, parts[0]) {
			return fmt.Errorf("the workload %q is not run", parts[0])
		}
	}
	return nil
}

// Holds returns the workloads for which the condition is true. What compares a number that is not there is false.
func (e *Expr) Holds(r *Report) []string {
	var out []string
	for _, w := range r.Workloads {
		v, _ := e.root(func(name string) (float64, bool) {
			parts := strings.Split(name, ".")
			of := w
			if len(parts) == 3 {
				of = nil
				for _, other := range r.Workloads {
					if other.Name == parts[0] {
						of = other
					}
				}
				parts = parts[1:]
			}
			if of == nil {
				return 0, false
			}
			row, _ := of.Row(parts[1])
			s, found := row.Cell(parts[0])
			return s.Median, found
		})
		if v != 0 {
			out = append(out, w.Name)
		}
	}
	return out
}
