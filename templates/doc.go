// Package templates is what people see: one typed struct per page, the HTML,
// style and script behind it, and every sentence in one catalogue.
//
// Its one rule: a page is complete in memory before a byte is sent, and what a
// page says comes from its struct or from the catalogue, never from the HTML.
//
// It imports nothing of ours and is the only home of html/template.
package templates
