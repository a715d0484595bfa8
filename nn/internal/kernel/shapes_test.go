package kernel

import "fmt"

// shape is one convolution of InceptionV3 at 299x299 and how often it occurs.
type shape struct {
	count       int
	in, h, w    int
	out, kh, kw int
	stride      int
	padH, padW  int
}

func (s shape) outH() int { return (s.h+2*s.padH-s.kh)/s.stride + 1 }
func (s shape) outW() int { return (s.w+2*s.padW-s.kw)/s.stride + 1 }

func (s shape) gflop() float64 {
	return 2e-9 * float64(s.in*s.kh*s.kw*s.out*s.outH()*s.outW())
}

func (s shape) String() string {
	return fmt.Sprintf("%dx%dx%d_%dx%dx%d_s%d", s.in, s.h, s.w, s.out, s.kh, s.kw, s.stride)
}

// network lists InceptionV3's 94 convolutions.
var network = func() []shape {
	list := []shape{
		{1, 3, 299, 299, 32, 3, 3, 2, 0, 0},
		{1, 32, 149, 149, 32, 3, 3, 1, 0, 0},
		{1, 32, 147, 147, 64, 3, 3, 1, 1, 1},
		{1, 64, 73, 73, 80, 1, 1, 1, 0, 0},
		{1, 80, 73, 73, 192, 3, 3, 1, 0, 0},
	}
	add := func(n, in, hw, out, kh, kw, stride int) {
		padH, padW := kh/2, kw/2
		if stride == 2 {
			padH, padW = 0, 0
		}
		list = append(list, shape{n, in, hw, hw, out, kh, kw, stride, padH, padW})
	}
	for i, in := range []int{192, 256, 288} {
		add(2, in, 35, 64, 1, 1, 1)
		add(1, in, 35, 48, 1, 1, 1)
		add(1, in, 35, []int{32, 64, 64}[i], 1, 1, 1)
	}
	add(3, 48, 35, 64, 5, 5, 1)
	add(4, 64, 35, 96, 3, 3, 1)
	add(3, 96, 35, 96, 3, 3, 1)
	add(1, 288, 35, 384, 3, 3, 2)
	add(1, 288, 35, 64, 1, 1, 1)
	add(1, 96, 35, 96, 3, 3, 2)
	for i, c := range []int{128, 160, 192} {
		n := []int{1, 2, 1}[i]
		add(2*n, 768, 17, 192, 1, 1, 1)
		add(2*n, 768, 17, c, 1, 1, 1)
		if c == 192 {
			add(3*n, 192, 17, 192, 1, 7, 1)
			add(3*n, 192, 17, 192, 7, 1, 1)
			n = 0
		}
		if n > 0 {
			add(2*n, c, 17, c, 1, 7, 1)
			add(n, c, 17, 192, 7, 1, 1)
			add(2*n, c, 17, c, 7, 1, 1)
			add(n, c, 17, 192, 1, 7, 1)
		}
	}
	add(2, 768, 17, 192, 1, 1, 1)
	add(1, 192, 17, 192, 1, 7, 1)
	add(1, 192, 17, 192, 7, 1, 1)
	add(1, 192, 17, 320, 3, 3, 2)
	add(1, 192, 17, 192, 3, 3, 2)
	for _, in := range []int{1280, 2048} {
		add(1, in, 8, 320, 1, 1, 1)
		add(1, in, 8, 384, 1, 1, 1)
		add(1, in, 8, 448, 1, 1, 1)
		add(1, in, 8, 192, 1, 1, 1)
	}
	add(4, 384, 8, 384, 1, 3, 1)
	add(4, 384, 8, 384, 3, 1, 1)
	add(2, 448, 8, 384, 3, 3, 1)
	return list
}()
