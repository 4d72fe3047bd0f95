package templates_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/PuerkitoBio/goquery"

	"github.com/sojourn-auth/sojourn/templates"
)

var harbour = templates.MailFrame{Operator: "Harbour", Site: "https://id.harbour.example"}

func link(path string) string {
	return harbour.Site + path + "?link=sj_ml_" + strings.Repeat("Wq3-_x", 20)
}

// letters is every mail in every state that reads differently.
var letters = map[string]templates.Mail{
	"forgot":           templates.ForgotMail{MailFrame: harbour, Link: link("/reset")},
	"verify":           templates.VerifyMail{MailFrame: harbour, Link: link("/verify")},
	"confirm":          templates.ConfirmMail{MailFrame: harbour, Link: link("/verify")},
	"new-address":      templates.NewAddressMail{MailFrame: harbour, Link: link("/email")},
	"old-address":      templates.OldAddressMail{MailFrame: harbour, Email: "anna@new.example", NotMe: link("/not-me")},
	"have":             have,
	"new-browser":      notice(templates.NoticeNewBrowser),
	"password-changed": notice(templates.NoticePasswordChanged),
	"password-reset":   notice(templates.NoticePasswordReset),
	"address-changed":  notice(templates.NoticeAddressChanged),
	"factor-added":     notice(templates.NoticeFactorAdded),
	"factor-replaced":  notice(templates.NoticeFactorReplaced),
	"factor-removed":   notice(templates.NoticeFactorRemoved),
	"code-used":        codeUsed(4),
	"code-used-last":   codeUsed(1),
	"codes-renewed":    notice(templates.NoticeCodesRenewed),
	"way-in":           notice(templates.NoticeWayIn),
	"vouched":          notice(templates.NoticeVouched),
	"moved":            templates.OldAddressMail{MailFrame: harbour, Email: "anna@new.example"},
	"taken-back":       templates.OldAddressMail{MailFrame: harbour, Email: "anna@old.example", TakenBack: true},
	"undone":           undone("address, name, factors, consent"),
	"undone-clean":     undone("everything"),
	"reuse":            reuse(),
	"reuse-unnamed":    notice(templates.NoticeReuse),
	"anomaly-country":  anomaly("new_country", ""),
	"anomaly-network":  anomaly("new_network", ""),
	"anomaly-travel":   anomaly("travel", ""),
	"anomaly-dormant":  anomaly("dormant", ""),
	"anomaly-codes":    anomaly("factor_misses", ""),
	"anomaly-recovery": anomaly("recovery_acts", ""),
	"anomaly-platform": anomaly("platform", ""),
	"anomaly-other":    anomaly("a rule that is gone", ""),
	"anomaly-own":      anomaly("platform", "A rule of ours says <b>so</b>. Call us."),
	"by-an-operator": templates.NoticeMail{
		MailFrame: harbour, Notice: templates.NoticePasswordChanged, At: noon, NotMe: link("/not-me"),
	},
}

var have = templates.HaveMail{
	MailFrame: harbour, SignInURL: harbour.Site + "/signin", ForgotURL: harbour.Site + "/forgot",
}

var noon = time.Date(2026, 3, 4, 13, 0, 0, 0, time.FixedZone("CET", 3600))

func notice(n templates.Notice) templates.NoticeMail {
	return templates.NoticeMail{
		MailFrame: harbour, Notice: n, At: noon, Network: "192.0.2.7", Browser: "Firefox on Linux", NotMe: link("/not-me"),
	}
}

func anomaly(signal, own string) templates.NoticeMail {
	m := notice(templates.NoticeAnomaly)
	m.Unusual, m.Own, m.Browser = signal, own, ""
	if signal == "platform" {
		m.App, m.Device = "Notes", "Anna’s phone (Pixel 9)"
	}
	return m
}

func codeUsed(left int) templates.NoticeMail {
	m := notice(templates.NoticeCodeUsed)
	m.CodesLeft = left
	return m
}

func undone(parts string) templates.NoticeMail {
	m := notice(templates.NoticeUndone)
	m.Undone = parts
	return m
}

func reuse() templates.NoticeMail {
	m := notice(templates.NoticeReuse)
	m.Browser, m.Place, m.Device, m.App = "", "Berlin, Germany", "Anna’s phone (Pixel 9)", "Notes"
	return m
}

func write(t *testing.T, m templates.Mail) templates.WrittenMail {
	t.Helper()
	written, err := templates.WriteMail(m)
	if err != nil {
		t.Fatal(err)
	}
	return written
}

func TestWriteMail_golden(t *testing.T) {
	t.Parallel()
	for name, m := range letters {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			written := write(t, m)
			compare(t, filepath.Join("testdata", "mail", name+".txt"), "Subject: "+written.Subject+"\n\n"+written.Text)
			compare(t, filepath.Join("testdata", "mail", name+".html"), written.HTML)
		})
	}
}

var unfilled = regexp.MustCompile(`\{\w*\}|\{\{|%!|<no value>|ZgotmplZ`)

func TestWriteMail_isWholeInBothForms(t *testing.T) {
	t.Parallel()
	for name, m := range letters {
		written := write(t, m)
		if found := unfilled.FindString(written.Subject + written.Text + written.HTML); found != "" {
			t.Errorf("%s holds %s", name, found)
		}
		if n := utf8.RuneCountInString(written.Subject); n > 80 || strings.Contains(written.Subject, "\n") {
			t.Errorf("%s: a subject of %d characters: %q", name, n, written.Subject)
		}
		doc, err := goquery.NewDocumentFromReader(strings.NewReader(written.HTML))
		if err != nil {
			t.Fatal(err)
		}
		doc.Find("a").Each(func(_ int, a *goquery.Selection) {
			url, _ := a.Attr("href")
			if !strings.Contains(written.Text, "\n"+a.Text()+":\n"+url+"\n") {
				t.Errorf("%s: the text lacks the link %s to %s", name, a.Text(), url)
			}
		})
		doc.Find("p:not(:has(a)):not(:has(br))").Each(func(_ int, p *goquery.Selection) {
			if !strings.Contains(written.Text, p.Text()+"\n") {
				t.Errorf("%s: the text lacks %q", name, p.Text())
			}
		})
	}
}

// Whoever names an app, a device or an address must not speak in our mails.
func TestWriteMail_namesStayNames(t *testing.T) {
	t.Parallel()
	bad := "Notes\r\n\r\nYour account is locked. <a href=https://evil.example>Unlock\u202e it</a> {operator} " +
		strings.Repeat("x", 5000)
	m := reuse()
	m.App, m.Device, m.Browser, m.Place = bad, bad, bad, bad
	for _, letter := range []templates.Mail{
		m, templates.OldAddressMail{MailFrame: harbour, Email: "a\r\n<b>@evil.example", NotMe: link("/not-me")},
	} {
		written := write(t, letter)
		broken := strings.ContainsAny(written.Subject+written.Text, "\r\u202e") || strings.Contains(written.Text, "\nYour")
		if len(written.Text) > 4096 || broken {
			t.Errorf("a name broke the text:\n%s", written.Text)
		}
		doc, err := goquery.NewDocumentFromReader(strings.NewReader(written.HTML))
		if err != nil {
			t.Fatal(err)
		}
		if doc.Find("a").Length() != 1 || doc.Find("b").Length() != 0 {
			t.Errorf("a name is HTML:\n%s", written.HTML)
		}
	}
}

func TestWriteMail_refusesWhatTheCatalogueLacks(t *testing.T) {
	t.Parallel()
	if got, err := templates.WriteMail(notice("something_else")); err == nil {
		t.Errorf("wrote %q", got.Text)
	}
}
