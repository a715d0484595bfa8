package picture

import "fmt"

// Describe says in words what the recipe does to a picture.
func (r Recipe) Describe() string {
	how := r.Geometry
	switch r.Geometry {
	case Crop:
		how = fmt.Sprintf("short side to %d pixels, centre cropped", r.Resize)
	case Central:
		how = fmt.Sprintf("central %.1f\u00a0%%, then squashed", 100*r.Fraction)
	case Squash:
		how = "squashed"
	case Square:
		how = "largest square in the middle"
	case Pad, PadBefore:
		how = "black around it"
	}
	upright := "as stored"
	if r.Orient {
		upright = "turned upright"
	}
	if r.Color == Managed {
		upright += ", colours converted to sRGB"
	}
	if r.Stretch {
		upright += ", 16 bits stretched"
	}
	return fmt.Sprintf("%d x %d RGB, %s, %s, filter %s, mean %v, divided by %v", r.Size, r.Size, upright, how, r.Filter,
		r.Mean, r.Std)
}
