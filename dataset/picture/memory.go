package picture

// DecodedBytes is about how many bytes Decode and Recipe.Apply hold for a picture, besides data.
func DecodedBytes(data []byte, info Info) int64 {
	each := int64(4)
	switch info.Format {
	case "png", "tiff", "webp":
		each = 8
	case "gif":
		each = 2
	case "jpeg":
		each = bytesOfJPEG(data)
	}
	if f, ok := added(info.Format); ok {
		each = f.PixelBytes(data)
	}
	if info.Orientation > 1 {
		each += 8
	}
	return each*int64(info.Width)*int64(info.Height) + 1<<16
}
