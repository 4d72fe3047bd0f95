package server

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

const (
	logoPath = "/operator/logo"
	maxLogo  = 256 << 10
)

// logo is the operator's: a file that we serve, or an address elsewhere.
type logo struct {
	url    string // empty: there is none
	origin string // of an address elsewhere, which the pages' policy must name
	kind   string
	image  []byte
}

// readLogo reads what SOJOURN_OPERATOR_LOGO names. It refuses a file that is large or no image.
func readLogo(setting string) (logo, error) {
	if u, err := url.Parse(setting); err == nil && u.Scheme == "https" {
		return logo{url: setting, origin: "https://" + u.Host}, nil
	}
	if setting == "" {
		return logo{}, nil
	}
	file, err := os.Open(setting)
	if err != nil {
		return logo{}, fmt.Errorf("SOJOURN_OPERATOR_LOGO: %w", err)
	}
	defer file.Close()
	image, err := io.ReadAll(io.LimitReader(file, maxLogo+1))
	if err == nil && len(image) > maxLogo {
		err = errors.New("the image is larger than 256 KiB")
	}
	kind := http.DetectContentType(image)
	if strings.HasSuffix(strings.ToLower(setting), ".svg") {
		kind = "image/svg+xml"
	}
	if err == nil && !strings.HasPrefix(kind, "image/") {
		err = fmt.Errorf("%s is no image", setting)
	}
	if err != nil {
		return logo{}, fmt.Errorf("SOJOURN_OPERATOR_LOGO: %w", err)
	}
	return logo{url: logoPath, kind: kind, image: image}, nil
}

func (l logo) serve(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", l.kind)
	w.Header().Set("Cache-Control", "public, max-age=3600")
	_, _ = w.Write(l.image)
}
