package main

import (
	"net/http"
	"regexp"
	"testing"
)

var printedSession = regexp.MustCompile(`until session (\S+) ends`)

// An operator ends a session from the command line; the app, a program of its own, hears of it.
func TestDemo_theExampleHearsThatItsSessionIsOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := startDemo(t, dir)
	app := start(t, t.TempDir(), nil, buildExample(t, "thirdparty"), "--no-browser", "--issuer", d.issuer,
		"--hear", "127.0.0.1:"+freePorts(t, 1)[0])
	app.until("an address", func() bool { return printedURL.MatchString(app.out.String()) })
	back := d.person().follow(printedURL.FindString(app.out.String()))
	if got := statusOf(back.String()); got != http.StatusOK {
		t.Fatalf("the browser came back and saw %d", got)
	}
	app.until("a session", func() bool { return printedSession.MatchString(app.out.String()) })
	sid := printedSession.FindStringSubmatch(app.out.String())[1]
	end := start(t, dir, []string{"SOJOURN_DATABASE=sqlite:" + demoFolder + "/sojourn.db"}, "sojourn", "session", "end", sid)
	if err := end.wait(); err != nil {
		t.Fatalf("%v: %s", err, end.out)
	}
	app.says("The session is over.")
	if err := app.wait(); err != nil {
		t.Errorf("%v: %s", err, app.out)
	}
}
