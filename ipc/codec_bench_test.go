package ipc

import (
	"fmt"
	"testing"
)

func benchCodec[T any](b *testing.B, name string, make1 func(i int) T) {
	const n = 1000
	c := CodecFor[T]()
	vs := make([]T, n)
	for i := range vs {
		vs[i] = make1(i)
	}
	enc, _, err := c.AppendAll(nil, vs)
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 0, 2*len(enc)+1000)
	perValue := func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/value")
	}
	b.Run(fmt.Sprintf("Append/%s", name), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			out := buf
			for _, v := range vs {
				out, _ = c.Append(out, v)
			}
		}
		perValue(b)
	})
	b.Run(fmt.Sprintf("AppendAll/%s", name), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.AppendAll(buf, vs)
		}
		perValue(b)
	})
	out := make([]T, n)
	b.Run(fmt.Sprintf("Decode/%s", name), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			src := enc
			for i := range out {
				out[i], src, _ = c.Decode(src)
			}
		}
		perValue(b)
	})
	b.Run(fmt.Sprintf("DecodeAll/%s", name), func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			c.DecodeAll(enc, out)
		}
		perValue(b)
	})
}

func BenchmarkCodec(b *testing.B) {
	benchCodec(b, "int-small", func(i int) int { return i % 128 })
	benchCodec(b, "int-wide", func(i int) int { return i * 1e6 })
	benchCodec(b, "float64", func(i int) float64 { return float64(i) })
	benchCodec(b, "string", func(i int) string { return fmt.Sprint("value ", i) })
	benchCodec(b, "struct", func(i int) struct {
		A int
		B string
	} {
		return struct {
			A int
			B string
		}{i, "text"}
	})
}
