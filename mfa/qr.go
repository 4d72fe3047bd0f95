package mfa

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"

	"github.com/boombuler/barcode/qr"
)

const (
	quietZone  = 4 // modules of white all around (ISO/IEC 18004 §9.1)
	modulePx   = 6
	black      = 1
	blackBelow = 0x8000
)

// qrPNG draws text as a QR code with error correction M, in two colours so that it stays small in a page.
func qrPNG(text string) ([]byte, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return nil, fmt.Errorf("QR code: %w", err)
	}
	modules := code.Bounds().Dx()
	side := (modules + 2*quietZone) * modulePx
	picture := image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.White, color.Black})
	for y := range modules * modulePx {
		for x := range modules * modulePx {
			if r, _, _, _ := code.At(x/modulePx, y/modulePx).RGBA(); r < blackBelow {
				picture.SetColorIndex(x+quietZone*modulePx, y+quietZone*modulePx, black)
			}
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		return nil, fmt.Errorf("QR code: %w", err)
	}
	return out.Bytes(), nil
}
