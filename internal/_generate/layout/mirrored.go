package layout

// A Mirrored is a polynomial in z = x² that reads the same backwards, but for the sign if Odd is
// set: its coefficients are 1, those at constants from First on, and these again in reverse. The
// input transforms of Winograd's convolution are made of them.
type Mirrored struct {
	Degree int
	Odd    bool
	First  int
}

// Constants returns the number of constants of a polynomial.
func (p Mirrored) Constants() int {
	if p.Degree == 0 {
		return 0
	}
	if p.Odd {
		return (p.Degree - 1) / 2
	}
	return p.Degree / 2
}
