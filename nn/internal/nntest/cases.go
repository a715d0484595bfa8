package nntest

import (
	"fmt"

	"github.com/c236555e/rehead/nn"
)

// graph is one case: a graph's input, its outputs, and what they must be.
type graph struct {
	input   value
	outputs []value
}

// cases lists the graphs that were thought of; random ones come on top.
var cases = []struct {
	name  string
	build func(b *builder) graph
}{
	{"conv with four paddings", func(b *builder) graph {
		x := b.input(5, 11, 7)
		return graph{x, []value{b.conv(x, 9,
			window{[2]int{3, 2}, [2]int{2, 1}, nn.Padding{Top: 2, Bottom: 1, Left: 0, Right: 3}}, true)}}
	}},
	{"conv without bias", func(b *builder) graph {
		x := b.input(3, 10, 13)
		return graph{x, []value{b.conv(x, 4, window{[2]int{1, 5}, [2]int{1, 3}, nn.Padding{}}, false)}}
	}},
	{"conv 1x7 and 7x1", func(b *builder) graph {
		x := b.input(6, 13, 9)
		y := b.conv(x, 5, window{[2]int{1, 7}, [2]int{1, 1}, nn.Padding{Left: 3, Right: 3}}, true)
		return graph{x, []value{b.conv(y, 4, window{[2]int{7, 1}, [2]int{1, 1}, nn.Padding{Top: 3, Bottom: 3}}, true)}}
	}},
	{"conv deeper than a block", func(b *builder) graph {
		x := b.input(67, 7, 5)
		return graph{x, []value{b.conv(x, 37, window{[2]int{3, 2}, [2]int{1, 1}, nn.Padding{Top: 1, Left: 1}}, true)}}
	}},
	{"convs with groups and dilations", func(b *builder) graph {
		x := b.input(6, 13, 11)
		y := b.relu(b.grouped(x, 9, 3, [2]int{3, 2}, [2]int{1, 1}))
		deep := b.grouped(y, 9, 9, [2]int{3, 3}, [2]int{2, 1})
		return graph{x, []value{b.grouped(x, 5, 1, [2]int{2, 3}, [2]int{3, 2}), deep, y}}
	}},
	{"conv, norm, relu", func(b *builder) graph {
		x := b.input(4, 9, 7)
		return graph{x, []value{b.unit(x, 6, 3)}}
	}},
	{"conv with bias, norm", func(b *builder) graph {
		x := b.input(4, 9, 7)
		return graph{x, []value{b.norm(b.conv(x, 5, square(2), true))}}
	}},
	{"conv, relu, norm: nothing to fold", func(b *builder) graph {
		x := b.input(4, 9, 7)
		return graph{x, []value{b.norm(b.relu(b.conv(x, 5, square(3), true)))}}
	}},
	{"every stage of a unit wanted", func(b *builder) graph {
		x := b.input(4, 9, 7)
		c := b.conv(x, 5, square(3), false)
		n := b.norm(c)
		r := b.relu(n)
		return graph{x, []value{r, n, c}}
	}},
	{"conv read before and after its norm", func(b *builder) graph {
		x := b.input(3, 8, 6)
		c := b.conv(x, 5, square(3), true)
		return graph{x, []value{b.concat(b.relu(b.norm(c)), b.relu(c))}}
	}},
	{"norm and relu alone", func(b *builder) graph {
		x := b.input(7, 5, 4)
		return graph{x, []value{b.norm(x), b.relu(x), b.relu(b.norm(x)), b.norm(b.norm(x))}}
	}},
	{"max pools", func(b *builder) graph {
		x := b.input(6, 11, 8)
		return graph{x, []value{
			b.maxPool(x, window{[2]int{3, 3}, [2]int{2, 2}, nn.Padding{}}),
			b.maxPool(x, window{[2]int{3, 2}, [2]int{1, 3}, nn.Padding{Top: 2, Bottom: 1, Left: 0, Right: 1}}),
		}}
	}},
	{"average pools", func(b *builder) graph {
		x := b.input(6, 11, 8)
		around := window{[2]int{3, 3}, [2]int{1, 1}, nn.Padding{Top: 1, Bottom: 1, Left: 1, Right: 1}}
		uneven := window{[2]int{4, 3}, [2]int{2, 1}, nn.Padding{Top: 3, Bottom: 1, Left: 0, Right: 2}}
		return graph{x, []value{b.avgPool(x, around, true), b.avgPool(x, around, false), b.avgPool(x, uneven, true),
			b.avgPool(x, uneven, false)}}
	}},
	{"average pool, then 1x1 conv", func(b *builder) graph {
		x := b.input(12, 7, 5)
		around := window{[2]int{3, 3}, [2]int{1, 1}, nn.Padding{Top: 1, Bottom: 1, Left: 1, Right: 1}}
		return graph{x, []value{b.unit(b.avgPool(x, around, true), 4, 1), b.unit(b.avgPool(x, around, false), 5, 1)}}
	}},
	{"concat of the input, twice", func(b *builder) graph {
		x := b.input(3, 5, 4)
		return graph{x, []value{b.concat(x, b.relu(x), x)}}
	}},
	{"concat of concats, a part in two", func(b *builder) graph {
		x := b.input(3, 7, 5)
		p, q, r := b.unit(x, 2, 3), b.unit(x, 4, 1),
			b.maxPool(x, window{[2]int{3, 3}, [2]int{1, 1}, nn.Padding{Top: 1, Bottom: 1, Left: 1, Right: 1}})
		inner := b.concat(p, q)
		outer := b.concat(r, inner, p)
		return graph{x, []value{b.unit(outer, 5, 1), inner, b.concat(q, outer)}}
	}},
	{"concat of one value twice", func(b *builder) graph {
		x := b.input(2, 5, 3)
		y := b.unit(x, 3, 1)
		return graph{x, []value{b.concat(y, y)}}
	}},
	{"the input as output, an output twice", func(b *builder) graph {
		x := b.input(2, 6, 3)
		y := b.unit(x, 4, 3)
		return graph{x, []value{y, x, y}}
	}},
	{"head", func(b *builder) graph {
		x := b.input(7, 5, 4)
		f := b.globalAvgPool(x)
		d := b.dense(f, 11)
		return graph{x, []value{f, d, b.softmax(d)}}
	}},
	{"moments of blocks and of parts", func(b *builder) graph {
		x := b.input(19, 11, 9)
		y := b.inception(x, true)
		part := b.unit(x, 5, 3)
		z := b.reduction(b.concat(y, part))
		one := b.maxPool(z, window{[2]int{5, 4}, [2]int{5, 4}, nn.Padding{}})
		return graph{x, []value{b.moments(y), b.dense(b.moments(z), 7), z, b.moments(part), b.moments(x), b.moments(one)}}
	}},
	{"dense on vectors", func(b *builder) graph {
		x := b.input(37)
		return graph{x, []value{b.softmax(b.dense(b.dense(x, 70), 5))}}
	}},
	{"dense, relu, dense", func(b *builder) graph {
		x := b.input(19)
		y := b.relu(b.dense(x, 21))
		return graph{x, []value{b.dense(y, 5), y, b.relu(x)}}
	}},
	{"inception block", func(b *builder) graph {
		x := b.input(19, 11, 9)
		y := b.inception(x, true)
		return graph{x, []value{b.softmax(b.dense(b.globalAvgPool(b.reduction(y)), 6)), y}}
	}},
	{"two inception blocks", func(b *builder) graph {
		x := b.input(3, 23, 17)
		y := b.unit(b.maxPool(b.unit(x, 8, 3), window{[2]int{3, 3}, [2]int{2, 2}, nn.Padding{}}), 14, 3)
		return graph{x, []value{b.globalAvgPool(b.inception(b.inception(y, false), true))}}
	}},
}

// square is a k by k window of stride 1 that keeps the size for odd k.
func square(k int) window {
	p := k / 2
	return window{[2]int{k, k}, [2]int{1, 1}, nn.Padding{Top: p, Bottom: p, Left: p, Right: p}}
}

// unit is conv, norm, relu.
func (b *builder) unit(x value, out, k int) value {
	b.t.Helper()
	return b.relu(b.norm(b.conv(x, out, square(k), false)))
}

// inception is a block of four branches like InceptionV3's.
func (b *builder) inception(x value, border bool) value {
	b.t.Helper()
	one := b.unit(x, 5, 1)
	two := b.unit(b.unit(x, 4, 1), 6, 5)
	three := b.unit(b.unit(b.unit(x, 3, 1), 7, 3), 8, 3)
	three = b.concat(b.relu(b.conv(three, 2, window{[2]int{1, 3}, [2]int{1, 1}, nn.Padding{Left: 1, Right: 1}}, true)),
		b.relu(b.conv(three, 3, window{[2]int{3, 1}, [2]int{1, 1}, nn.Padding{Top: 1, Bottom: 1}}, true)))
	return b.concat(one, two, three, b.unit(b.avgPool(x, square(3), border), 4, 1))
}

// reduction halves the image as InceptionV3 does between its stages.
func (b *builder) reduction(x value) value {
	b.t.Helper()
	half := window{[2]int{3, 3}, [2]int{2, 2}, nn.Padding{}}
	return b.concat(b.relu(b.norm(b.conv(x, 6, half, false))), b.relu(b.conv(b.unit(x, 5, 1), 4, half, true)),
		b.maxPool(x, half))
}

// random is a graph that nobody thought of: operators applied to anything that
// was computed before.
func random(b *builder) graph {
	r := b.rng
	x := b.input(2+r.IntN(6), 6+r.IntN(9), 5+r.IntN(9))
	made := []value{x}
	for range 4 + r.IntN(14) {
		v := made[max(r.IntN(len(made)), r.IntN(len(made)))]
		made = append(made, b.step(v, made))
	}
	last := made[len(made)-1]
	out := []value{b.moments(made[r.IntN(len(made))]), made[r.IntN(len(made))], b.dense(b.globalAvgPool(last), 3), last}
	return graph{x, out[r.IntN(3):]}
}

// step applies some operator to v, sometimes joined with others of made.
func (b *builder) step(v value, made []value) value {
	b.t.Helper()
	r := b.rng
	w := window{
		kernel: [2]int{1 + r.IntN(min(4, v.dims[1])), 1 + r.IntN(min(4, v.dims[2]))},
		stride: [2]int{1, 1},
	}
	w.pad = nn.Padding{Top: r.IntN(w.kernel[0]), Bottom: r.IntN(w.kernel[0]), Left: r.IntN(w.kernel[1]),
		Right: r.IntN(w.kernel[1])}
	if v.dims[1] > 5 && v.dims[2] > 5 {
		w.stride = [2]int{1 + r.IntN(2), 1 + r.IntN(2)}
	}
	switch r.IntN(9) {
	case 0, 1:
		return b.conv(v, 1+r.IntN(9), w, r.IntN(2) == 0)
	case 2:
		return b.norm(v)
	case 3:
		return b.relu(v)
	case 4:
		return b.maxPool(v, w)
	case 5:
		return b.avgPool(v, w, r.IntN(2) == 0)
	case 6:
		return b.unit(v, 1+r.IntN(9), 1+2*r.IntN(2))
	default:
		parts := []value{v}
		for _, o := range made {
			if o.dims[1] == v.dims[1] && o.dims[2] == v.dims[2] && len(parts) < 4 && r.IntN(2) == 0 {
				parts = append(parts, o)
			}
		}
		return b.concat(parts...)
	}
}

// each calls f with every case and the given number of random graphs.
func each(randoms int, f func(name string, seed uint64, build func(b *builder) graph)) {
	for i, c := range cases {
		f(c.name, uint64(i), c.build)
	}
	for i := range randoms {
		f(fmt.Sprintf("random %d", i), uint64(1000+i), random)
	}
}
