package nntest

import "github.com/c236555e/rehead/nn"

// small lists graphs of activations, sums and flattened images.
var small = []struct {
	name  string
	build func(b *builder) graph
}{
	{"activations of images and vectors", func(b *builder) graph {
		x := b.input(11, 5, 4)
		y, v := b.conv(x, 13, square(3), true), b.globalAvgPool(x)
		var out []value
		for _, f := range nn.Functions() {
			out = append(out, b.activation(y, f), b.activation(b.dense(v, 7), f))
		}
		return graph{x, append(out, b.activation(x, nn.Tanh), b.conv(b.activation(y, nn.Sigmoid), 5, square(3), true))}
	}},
	{"sums, also of a concatenation's parts", func(b *builder) graph {
		x := b.input(5, 7, 6)
		p, q := b.unit(x, 3, 3), b.conv(x, 6, square(1), true)
		both := b.concat(p, q)
		r := b.unit(x, 9, 3)
		v := b.dense(b.globalAvgPool(r), 4)
		return graph{x, []value{b.add(both, r), b.add(r, both, r), b.relu(b.add(x, x)), b.add(v, v),
			b.conv(b.add(both, r), 4, square(3), true)}}
	}},
	{"flattened images", func(b *builder) graph {
		x := b.input(3, 5, 7)
		both := b.concat(b.unit(x, 3, 3), b.unit(x, 10, 1))
		return graph{x, []value{b.dense(b.relu(b.dense(b.flatten(both), 9)), 4), b.flatten(x), b.flatten(both)}}
	}},
}

// trained lists graphs of operators that do something else in training: a Program answers.
var trained = []struct {
	name  string
	build func(b *builder) graph
}{
	{"norms that were trained", func(b *builder) graph {
		x := b.input(4, 9, 7)
		c := b.conv(x, 5, square(3), true)
		deep := b.conv(b.relu(b.trained(b.conv(x, 6, square(3), false))), 3, square(1), true)
		return graph{x, []value{b.trained(x), b.relu(b.trained(x)), deep, b.concat(b.relu(b.trained(c)), c),
			b.norm(b.trained(c))}}
	}},
	{"dropout", func(b *builder) graph {
		x := b.input(4, 9, 7)
		y := b.dropout(b.relu(b.trained(b.conv(b.dropout(x), 6, square(3), true))))
		v := b.dropout(b.globalAvgPool(y))
		return graph{x, []value{y, b.dense(b.dropout(b.dense(v, 9)), 3), b.concat(y, b.relu(y))}}
	}},
}
