package templates

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
)

//go:embed *.html
var files embed.FS

var pages = template.Must(template.New("").Funcs(template.FuncMap{
	"t":        rich,
	"n":        count,
	"heading":  heading,
	"title":    title,
	"scope":    scope,
	"ago":      ago,
	"cause":    cause,
	"happened": happened,
	"lang":     func() string { return english.tag },
	"dir":      func() string { return english.dir },
	"static":   staticURL,
	"link":     link,
	"weblink":  weblink,
	"otpauth":  otpauth,
}).ParseFS(files, "*.html"))

// Show answers with page under status. It renders to memory first: an error means that
// nothing was written, so the caller may still answer otherwise.
func Show(w http.ResponseWriter, status int, page Page) error {
	var body bytes.Buffer
	if err := pages.ExecuteTemplate(&body, page.template(), page); err != nil {
		return fmt.Errorf("show page %q: %w", page.template(), err)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = body.WriteTo(w) // a reader who left is no failure of the page
	return nil
}
