package templates_test

import (
	"strings"
	"testing"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/go-cmp/cmp"
)

// What password managers, one-time-code autofill and phone keyboards go by.
func TestFields_speakToPasswordManagersAndKeyboards(t *testing.T) {
	t.Parallel()
	tests := map[string]map[string]string{
		"signin username":         {"type": "email", "autocomplete": "username webauthn", "inputmode": "email", "enterkeyhint": "next", "autocapitalize": "none", "spellcheck": "false"},
		"signin password":         {"type": "password", "autocomplete": "current-password", "enterkeyhint": "go", "autocapitalize": "none", "spellcheck": "false"},
		"signup username":         {"type": "email", "autocomplete": "username", "inputmode": "email", "autocapitalize": "none"},
		"signup name":             {"type": "text", "autocomplete": "name", "autocapitalize": ""},
		"signup password":         {"type": "password", "autocomplete": "new-password", "minlength": "8", "aria-describedby": "password-hint"},
		"signup-problem password": {"value": "", "aria-invalid": "true", "aria-describedby": "password-problem password-hint"},
		"totp totp":               {"type": "text", "autocomplete": "one-time-code", "inputmode": "numeric", "maxlength": "", "enterkeyhint": "go"},
		"totp-problem totp":       {"aria-invalid": "true", "aria-describedby": "totp-problem"},
		"recovery recovery_code":  {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false", "inputmode": ""},
		"enrol totp":              {"autocomplete": "one-time-code", "inputmode": "numeric"},
		"signin-problem username": {"value": "anna@example.com", "aria-invalid": ""},
	}
	for name, want := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page, field, _ := strings.Cut(name, " ")
			input := document(t, page).Find("input[name=" + field + "]")
			got := map[string]string{}
			for attr := range want {
				got[attr] = input.AttrOr(attr, "")
			}
			if diff := cmp.Diff(want, got); diff != "" || input.Length() != 1 {
				t.Errorf("%d inputs (-want +got):\n%s", input.Length(), diff)
			}
		})
	}
}

func TestFields_focusGoesWhereThePersonGoesOn(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"signin": "username", "signin-problem": "password", "signup": "username", "signup-problem": "password",
		"totp": "totp", "totp-problem": "totp", "recovery": "recovery_code", "enrol-problem": "totp",
		"enrol": "", "consent": "", "continue": "",
	}
	for page, want := range tests {
		if got := document(t, page).Find("[autofocus]").AttrOr("name", ""); got != want {
			t.Errorf("%s: focus on %q, want %q", page, got, want)
		}
	}
}

func TestFields_aProblemOfNoFieldStandsAboveTheForm(t *testing.T) {
	t.Parallel()
	alert := document(t, "signin-alert").Find("form [role=alert]")
	if got := alert.Text(); !strings.HasPrefix(got, "Too many tries.") {
		t.Errorf("alert says %q", got)
	}
	if _, focused := alert.Attr("autofocus"); !focused {
		t.Error("the focus does not move to it")
	}
	if document(t, "enrol-over").Find("main > h1 + [role=alert][autofocus]").Length() != 1 {
		t.Error("a new key is not told at the top")
	}
}

func TestForms_carryWhatWasAsked(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"signin": "next=sealed-request", "signup": "next=sealed-request", "totp": "next=sealed-request",
		"recovery": "next=sealed-request", "save": "next=sealed-request", "enrol": "next=sealed-request enrolment=sealed-enrolment",
		"consent":  "next=sealed-request binding=sealed-binding",
		"continue": "next=sealed-request binding=sealed-binding",
	}
	for page, want := range tests {
		var got []string
		document(t, page).Find("form input[type=hidden]").Each(func(_ int, s *goquery.Selection) {
			got = append(got, s.AttrOr("name", "")+"="+s.AttrOr("value", ""))
		})
		if strings.Join(got, " ") != want {
			t.Errorf("%s carries %q, want %q", page, got, want)
		}
	}
}

func TestConsent_hasTwoAnswersAndNoDangerousLink(t *testing.T) {
	t.Parallel()
	page := consent(notes, true)
	page.ClientURL, page.PolicyURL, page.TermsURL = "javascript:alert(1)", "data:text/html,x", "//evil.example"
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(render(t, page)))
	if err != nil {
		t.Fatal(err)
	}
	if n := doc.Find(`button[name=consent][value=allow], button[name=consent][value=deny]`).Length(); n != 2 {
		t.Errorf("%d answers", n)
	}
	if n := doc.Find("main .ways a").Length(); n != 0 {
		t.Errorf("%d links of the client's that are not web links", n)
	}
}

func TestSave_downloadHoldsEveryCode(t *testing.T) {
	t.Parallel()
	href := document(t, "save").Find("a[download]").AttrOr("href", "")
	if !strings.HasPrefix(href, "data:text/plain;charset=utf-8,") {
		t.Fatalf("leads to %q", href)
	}
	for _, code := range save().RecoveryCodes {
		if strings.Count(href, code) != 1 {
			t.Errorf("%s is missing", code)
		}
	}
}

func document(t *testing.T, page string) *goquery.Document {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(strings.NewReader(render(t, golden[page])))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}
