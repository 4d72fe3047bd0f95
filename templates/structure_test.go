package templates_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
)

// rules are what a screen reader, a keyboard and our Content-Security-Policy need of
// every page, after axe-core's rules of the same sense.
var rules = map[string]func(*goquery.Document) string{
	"says its language and direction": func(d *goquery.Document) string {
		return absent(d, `html[lang="en"][dir="ltr"]`)
	},
	"has a title": func(d *goquery.Document) string { return silent(d.Find("title")) },
	"lets people zoom": func(d *goquery.Document) string {
		return present(d, `meta[name=viewport][content*=maximum-scale], meta[name=viewport][content*=user-scalable]`)
	},
	"has one heading of the first order": func(d *goquery.Document) string { return one(d, "h1") },
	"has one main and one header": func(d *goquery.Document) string {
		return one(d, "body > main") + one(d, "body > header")
	},
	"labels every input":         unlabelled,
	"explains what it refers to": dangling,
	"has words on every button and link": func(d *goquery.Document) string {
		return silent(d.Find("button, a, label, summary"))
	},
	"has alt on every picture":  func(d *goquery.Document) string { return present(d, "img:not([alt])") },
	"leaves the focus order":    positiveTabindex,
	"gives the focus to one":    func(d *goquery.Document) string { return atMostOne(d, "[autofocus]") },
	"uses each id once":         repeatedID,
	"has no inline style":       func(d *goquery.Document) string { return present(d, "style, [style]") },
	"has no inline script":      func(d *goquery.Document) string { return present(d, "script:not([src])") },
	"has no inline handler":     inlineHandler,
	"posts its forms unchecked": func(d *goquery.Document) string { return present(d, `form:not([method=post]):not([role=search])`) },
	"never refills a password":  func(d *goquery.Document) string { return present(d, "input[type=password][value]") },
	"tells password managers whose password it takes": func(d *goquery.Document) string { // or they keep it under no name
		return present(d, "form:has(input[type=password]):not(:has(input[autocomplete^=username]))")
	},
	"marks a problem beside its field": func(d *goquery.Document) string {
		return present(d, "input[aria-invalid]:not([aria-describedby])") + present(d, "input[aria-invalid]:not([autofocus])")
	},
	"always has a way on": func(d *goquery.Document) string { return absent(d, "main a[href], main button") },
}

func TestPages_areReadableByAll(t *testing.T) {
	t.Parallel()
	for name, page := range golden {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			doc, err := goquery.NewDocumentFromReader(strings.NewReader(render(t, page)))
			if err != nil {
				t.Fatal(err)
			}
			for rule, broken := range rules {
				if found := broken(doc); found != "" {
					t.Errorf("a page %s; here: %s", rule, found)
				}
			}
		})
	}
}

func TestRules_findWhatTheyForbid(t *testing.T) {
	t.Parallel()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(`<html><head><title></title>
		<meta name="viewport" content="maximum-scale=1"><style></style><script>1</script></head>
		<body onload="x"><h1>a</h1><h1>b</h1><input id="i" autofocus tabindex="2"><img id="i" src="x">
		<label for="nobody"></label><input autofocus aria-invalid="true" type="password" value="x">
		<form><input type="password"></form></body></html>`))
	if err != nil {
		t.Fatal(err)
	}
	for rule, broken := range rules {
		if broken(doc) == "" {
			t.Errorf("the rule %q found nothing in a page that breaks it", rule)
		}
	}
}

func outer(s *goquery.Selection) string {
	html, err := goquery.OuterHtml(s)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(html)
}

func present(d *goquery.Document, selector string) string {
	if s := d.Find(selector); s.Length() > 0 {
		return outer(s.First())
	}
	return ""
}

func absent(d *goquery.Document, selector string) string {
	if d.Find(selector).Length() == 0 {
		return "no " + selector
	}
	return ""
}

func one(d *goquery.Document, selector string) string {
	if n := d.Find(selector).Length(); n != 1 {
		return strconv.Itoa(n) + " × " + selector
	}
	return ""
}

func atMostOne(d *goquery.Document, selector string) string {
	if n := d.Find(selector).Length(); n > 1 {
		return strconv.Itoa(n) + " × " + selector
	}
	return ""
}

// first is the first of s that is bad, as HTML.
func first(s *goquery.Selection, bad func(*goquery.Selection) bool) string {
	found := s.FilterFunction(func(_ int, each *goquery.Selection) bool { return bad(each) })
	if found.Length() == 0 {
		return ""
	}
	return outer(found.First())
}

func silent(s *goquery.Selection) string {
	return first(s, func(each *goquery.Selection) bool { return strings.TrimSpace(each.Text()) == "" })
}

func unlabelled(d *goquery.Document) string {
	return first(d.Find("input:not([type=hidden]):not([hidden])"), func(input *goquery.Selection) bool {
		return d.Find(`label[for="`+input.AttrOr("id", "")+`"]`).Length() != 1
	})
}

// dangling is an element that names an id which the page does not have.
func dangling(d *goquery.Document) string {
	var found string
	for _, attr := range []string{"for", "aria-describedby", "aria-labelledby", "data-reveal"} {
		found += first(d.Find("["+attr+"]"), func(s *goquery.Selection) bool {
			for id := range strings.FieldsSeq(s.AttrOr(attr, "")) {
				if d.Find("#"+id).Length() != 1 {
					return true
				}
			}
			return false
		})
	}
	return found
}

func positiveTabindex(d *goquery.Document) string {
	return first(d.Find("[tabindex]"), func(s *goquery.Selection) bool {
		n, err := strconv.Atoi(s.AttrOr("tabindex", ""))
		return err != nil || n > 0
	})
}

func repeatedID(d *goquery.Document) string {
	seen := map[string]bool{}
	return first(d.Find("[id]"), func(s *goquery.Selection) bool {
		id := s.AttrOr("id", "")
		again := seen[id]
		seen[id] = true
		return again
	})
}

func inlineHandler(d *goquery.Document) string {
	return first(d.Find("*"), func(s *goquery.Selection) bool {
		for _, attr := range s.Nodes[0].Attr {
			if strings.HasPrefix(attr.Key, "on") || strings.HasPrefix(strings.ToLower(attr.Val), "javascript:") {
				return true
			}
		}
		return false
	})
}
