package fill

import (
	"errors"
	"fmt"
	"math"
	"path"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// basic returns what a form means that is always there, given without braces.
func basic(form string) (o op, fixed, ok bool) {
	switch form {
	case "":
		return pure(func(v string) string { return v }), false, true
	case ".":
		return pure(withoutExtension), false, true
	case "/":
		return pure(base), false, true
	case "//":
		return pure(directory), false, true
	case "/.":
		return pure(func(v string) string { return withoutExtension(base(v)) }), false, true
	case "#":
		return func(c *Context, _ string) (string, error) { return strconv.Itoa(c.Seq), nil }, true, true
	case "%":
		return func(c *Context, _ string) (string, error) { return c.Slot, nil }, true, true
	}
	return nil, false, false
}

func pure(f func(string) string) op {
	return func(_ *Context, v string) (string, error) { return f(v), nil }
}

func base(v string) string { return v[strings.LastIndexByte(v, '/')+1:] }

func withoutExtension(v string) string {
	if i := strings.LastIndexByte(v, '.'); i > strings.LastIndexByte(v, '/') {
		return v[:i]
	}
	return v
}

func extension(v string) string {
	if i := strings.LastIndexByte(v, '.'); i > strings.LastIndexByte(v, '/') {
		return v[i+1:]
	}
	return ""
}

// directory is dirname(1): of "a//b" a, of "/x" and "/" /, of "x" and "x/" ".".
func directory(v string) string {
	trimmed := strings.TrimRight(v, "/")
	if trimmed == "" && v != "" {
		return "/"
	}
	i := strings.LastIndexByte(trimmed, '/')
	if i < 0 {
		return "."
	}
	if d := strings.TrimRight(trimmed[:i], "/"); d != "" {
		return d
	}
	return "/"
}

// errTotal says that {##} needs to know how many jobs there are.
var errTotal = errors.New("the number of jobs is not known")

// plus returns what a form of --plus means.
func plus(form string) (o op, fixed, ok bool) {
	times := func(f func(string) string, n int) op {
		return pure(func(v string) string {
			for range n {
				v = f(v)
			}
			return v
		})
	}
	tail := func(n int) op { // the last n extensions
		return pure(func(v string) string {
			rest := v
			for range n {
				next := withoutExtension(rest)
				if next == rest {
					return ""
				}
				rest = next
			}
			return v[len(rest)+1:]
		})
	}
	switch form {
	case "+/":
		return pure(func(v string) string {
			if i := strings.LastIndexByte(v, '/'); i >= 0 {
				return v[:i]
			}
			return ""
		}), false, true
	case "..":
		return times(withoutExtension, 2), false, true
	case "...":
		return times(withoutExtension, 3), false, true
	case "/..":
		return pure(func(v string) string { return withoutExtension(withoutExtension(base(v))) }), false, true
	case "/...":
		return pure(func(v string) string { return withoutExtension(withoutExtension(withoutExtension(base(v)))) }), false, true
	case "+.":
		return pure(extension), false, true
	case "+..":
		return tail(2), false, true
	case "+...":
		return tail(3), false, true
	case "##":
		return func(c *Context, _ string) (string, error) {
			n, err := c.total()
			return strconv.Itoa(n), err
		}, true, true
	case "0#":
		return func(c *Context, _ string) (string, error) {
			n, err := c.total()
			return fmt.Sprintf("%0*d", digits(n), c.Seq), err
		}, true, true
	case "0%":
		return func(c *Context, _ string) (string, error) { return Padded(c.Slot, digits(c.Slots)), nil }, true, true
	}
	if form == "" {
		return nil, false, false
	}
	o = trimming(form)
	return o, false, o != nil
}

// Padded fills a slot with zeros. A mark that is replaced later says by its length how many digits it wants.
func Padded(slot string, digits int) string {
	if n := digits - len(slot); n > 0 && slot != "" && slot[0] != 0 {
		return strings.Repeat("0", n) + slot
	}
	return slot
}

func digits(n int) int { return int(math.Log10(float64(max(n, 1)))) + 1 }

func (c *Context) total() (int, error) {
	if c.Total == nil {
		return 0, errTotal
	}
	return c.Total()
}

// trimming are the forms that are like a shell's parameter expansion.
func trimming(form string) op {
	if !utf8.ValidString(form) {
		return nil // no pattern can be made of it
	}
	rest := form[1:]
	switch form[0] {
	case '%', '#':
		return cutting(form)
	case ':':
		if text, ok := strings.CutPrefix(rest, "-"); ok {
			return pure(func(v string) string {
				if v == "" {
					return text
				}
				return v
			})
		}
		return substring(rest)
	case '/':
		all := strings.HasPrefix(rest, "/")
		from, to, ok := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
		if !ok || from == "" {
			return nil
		}
		re := pattern("", from, "")
		return pure(func(v string) string { return replace(re, v, strings.ReplaceAll(to, "$", "$$"), all) })
	case '^', ',':
		change := unicode.ToUpper
		if form[0] == ',' {
			change = unicode.ToLower
		}
		all := len(rest) > 0 && rest[0] == form[0]
		if all {
			rest = rest[1:]
		}
		if rest == "" || strings.ContainsAny(rest, " {") {
			return nil
		}
		return pure(func(v string) string { return changeCase(v, rest, all, change) })
	}
	return nil
}

// cutting takes the shortest (% and #) or longest (%% and ##) match of a regular expression off the end or the beginning.
func cutting(form string) op {
	longest := len(form) > 1 && form[1] == form[0]
	rest := form[1:]
	if longest {
		rest = form[2:]
	}
	if rest == "" {
		return nil
	}
	var re *regexp.Regexp
	switch {
	case form[0] == '#' && longest:
		re = pattern("^(?:", rest, ")()")
	case form[0] == '#':
		re = pattern("^(?U:", rest, ")()")
	case longest:
		re = pattern("(?:", rest, ")$()")
	default:
		re = pattern("^(?s:(.*))(?:", rest, ")$") // as much as can be is kept
	}
	if form[0] == '%' && !longest {
		return pure(func(v string) string { return replace(re, v, "$1", false) })
	}
	return pure(func(v string) string { return replace(re, v, "", false) })
}

// pattern compiles a regular expression; a text that is none stands for itself.
func pattern(before, text, after string) *regexp.Regexp {
	re, err := regexp.Compile(before + text + after)
	if err != nil {
		re = regexp.MustCompile(before + regexp.QuoteMeta(text) + after)
	}
	return re
}

// replace puts a text, in which $1 is a group, in the place of the first match or of all.
func replace(re *regexp.Regexp, v, replacement string, all bool) string {
	if all {
		return re.ReplaceAllString(v, replacement)
	}
	m := re.FindStringSubmatchIndex(v)
	if m == nil {
		return v
	}
	return v[:m[0]] + string(re.ExpandString(nil, replacement, v, m)) + v[m[1]:]
}

// changeCase changes letters that are in a set: the first of the value, or all.
func changeCase(v, set string, all bool, change func(rune) rune) string {
	in := func(r rune) bool { // a class such as [a-c], or the letters themselves
		ok, err := path.Match(set, string(r))
		return err == nil && ok || strings.ContainsRune(set, r)
	}
	if all {
		return strings.Map(func(r rune) rune {
			if r != utf8.RuneError && in(r) {
				return change(r)
			}
			return r
		}, v)
	}
	if r, n := utf8.DecodeRuneInString(v); n > 0 && r != utf8.RuneError && in(r) {
		return string(change(r)) + v[n:]
	}
	return v
}

func substring(spec string) op {
	from, length, limited := strings.Cut(spec, ":")
	start, err := strconv.Atoi(from)
	if err != nil || start < 0 {
		return nil
	}
	n := 0
	if limited {
		if n, err = strconv.Atoi(length); err != nil || n < 0 {
			return nil
		}
	}
	return pure(func(v string) string {
		r := []rune(v)
		r = r[min(start, len(r)):]
		if limited {
			r = r[:min(n, len(r))]
		}
		return string(r)
	})
}
