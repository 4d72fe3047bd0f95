package contract

import (
	"encoding/xml"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// manifest is what an AndroidManifest.xml says that signing in depends on.
type manifest struct {
	Permissions []label  `xml:"uses-permission"`
	Queries     []filter `xml:"queries>intent"`
	Application struct {
		Backup     string     `xml:"http://schemas.android.com/apk/res/android allowBackup,attr"`
		Activities []activity `xml:"activity"`
	} `xml:"application"`
}

type label struct {
	Name string `xml:"http://schemas.android.com/apk/res/android name,attr"`
}

type activity struct {
	Name     string   `xml:"http://schemas.android.com/apk/res/android name,attr"`
	Exported string   `xml:"http://schemas.android.com/apk/res/android exported,attr"`
	Launch   string   `xml:"http://schemas.android.com/apk/res/android launchMode,attr"`
	Filters  []filter `xml:"intent-filter"`
}

type filter struct {
	Verify     string  `xml:"http://schemas.android.com/apk/res/android autoVerify,attr"`
	Actions    []label `xml:"action"`
	Categories []label `xml:"category"`
	Data       []struct {
		Scheme string `xml:"http://schemas.android.com/apk/res/android scheme,attr"`
		Host   string `xml:"http://schemas.android.com/apk/res/android host,attr"`
	} `xml:"data"`
}

const (
	redirectActivity = "dev.sojourn.app.android.RedirectActivity"
	browserActivity  = "dev.sojourn.app.android.SignInActivity"
)

// parsed reads a manifest.
func parsed(t *testing.T, text string) (m manifest) {
	t.Helper()
	if err := xml.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func contentOf(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// activity finds one by its name.
func (m manifest) activity(t *testing.T, name string) activity {
	t.Helper()
	i := slices.IndexFunc(m.Application.Activities, func(a activity) bool { return a.Name == name })
	if i < 0 {
		t.Fatalf("there is no activity %s", name)
	}
	return m.Application.Activities[i]
}

// names are the last words of what a filter names.
func names(all []label) (last []string) {
	for _, one := range all {
		last = append(last, one.Name[strings.LastIndex(one.Name, ".")+1:])
	}
	return last
}

// browsable checks what an intent filter needs to get redirects from browsers, and whether a claimed https address is verified.
func (f filter) browsable(t *testing.T) {
	t.Helper()
	if !slices.Equal(names(f.Actions), []string{"VIEW"}) || !slices.Equal(names(f.Categories), []string{"DEFAULT", "BROWSABLE"}) {
		t.Errorf("no redirect comes to %+v", f)
	}
	if len(f.Data) != 1 {
		t.Fatalf("%d addresses in one filter: Android would take any mixture of them", len(f.Data))
	}
	address := f.Data[0]
	switch {
	case address.Scheme == "https" && (f.Verify != "true" || address.Host == ""):
		t.Errorf("%s is claimed and not verified, or without a host", address.Host)
	case address.Scheme != "https" && (f.Verify != "" || !strings.Contains(address.Scheme, ".")):
		t.Errorf("%s is no private-use scheme of somebody's domain (RFC 8252 §7.1)", address.Scheme)
	}
}

// The library brings what signing in needs, and opens nothing but the redirect to others.
func TestManifest_ofTheLibrary(t *testing.T) {
	t.Parallel()
	m := parsed(t, contentOf(t, "../kotlin/android/src/main/AndroidManifest.xml"))
	if got := names(m.Permissions); !slices.Equal(got, []string{"INTERNET", "ACCESS_NETWORK_STATE"}) {
		t.Errorf("it asks for %v", got)
	}
	if a := m.activity(t, browserActivity); a.Exported != "false" || a.Launch != "singleTask" || len(a.Filters) > 0 {
		t.Errorf("%s: %+v", browserActivity, a)
	}
	// Android 12 installs no app whose activity has a filter and does not say whether it is exported.
	if a := m.activity(t, redirectActivity); a.Exported != "true" || len(a.Filters) > 0 {
		t.Errorf("which redirects come is for the app to say: %+v", a)
	}
	if len(m.Application.Activities) != 2 || m.Application.Backup != "" {
		t.Errorf("an app would get more than it asked for: %+v", m.Application)
	}
	browser, tab := false, false
	for _, q := range m.Queries {
		actions := names(q.Actions)
		browser = browser || slices.Contains(actions, "VIEW") && slices.Contains(names(q.Categories), "BROWSABLE") && q.Data[0].Scheme == "http"
		tab = tab || slices.Contains(actions, "CustomTabsService")
	}
	if !browser || !tab {
		t.Errorf("from Android 11 it sees no browser (%v) or none with Custom Tabs (%v)", browser, tab)
	}
}

// The example, the quickstart's page and its claimed address, merged with the library's: one way in for redirects.
func TestManifest_ofAnApp(t *testing.T) {
	t.Parallel()
	page := contentOf(t, "../../docs/quickstart-android.md")
	blocks := regexp.MustCompile("(?s)```xml\n(.+?)```").FindAllStringSubmatch(page, -1)
	if len(blocks) != 2 {
		t.Fatalf("the page has %d blocks of XML: its manifest and the filter of a claimed address", len(blocks))
	}
	example := contentOf(t, androidExample+"/src/main/AndroidManifest.xml")
	if example != blocks[0][1] {
		t.Error("the page's manifest is not that of examples/android")
	}
	m := parsed(t, example)
	a := m.activity(t, redirectActivity)
	if a.Exported != "true" || len(a.Filters) != 1 {
		t.Fatalf("%s: %+v", redirectActivity, a)
	}
	a.Filters[0].browsable(t)
	if main := m.activity(t, ".MainActivity"); main.Exported != "true" || !slices.Contains(names(main.Filters[0].Categories), "LAUNCHER") {
		t.Errorf("nobody can start it: %+v", main)
	}
	for _, one := range m.Application.Activities {
		if one.Name != redirectActivity && slices.ContainsFunc(one.Filters, func(f filter) bool { return slices.Contains(names(f.Categories), "BROWSABLE") }) {
			t.Errorf("a second way in for redirects: %s", one.Name)
		}
	}
	var claimed struct {
		Filter filter `xml:"intent-filter"`
	}
	within := `<activity xmlns:android="http://schemas.android.com/apk/res/android">` + blocks[1][1] + "</activity>"
	if err := xml.Unmarshal([]byte(within), &claimed); err != nil {
		t.Fatal(err)
	}
	if claimed.Filter.browsable(t); claimed.Filter.Data[0].Scheme != "https" {
		t.Errorf("the claimed address is %+v", claimed.Filter.Data)
	}
}

// Backups are allowed, so the tokens lie where none takes them (AndroidStorage), and who moves them is told what to leave out:
// the cloud's and the cable's.
func TestManifest_backupsTakeNoTokens(t *testing.T) {
	t.Parallel()
	if m := parsed(t, contentOf(t, androidExample+"/src/main/AndroidManifest.xml")); m.Application.Backup != "true" {
		t.Errorf("allowBackup is %q: then this says nothing", m.Application.Backup)
	}
	if !strings.Contains(contentOf(t, "../kotlin/android/src/main/kotlin/dev/sojourn/app/android/AndroidStorage.kt"), "noBackupFilesDir") {
		t.Error("the record lies in a folder that backups take")
	}
	found := regexp.MustCompile("(?s)```xml\n(<data-extraction-rules>.+?)```").FindStringSubmatch(contentOf(t, "../../docs/android.md"))
	if found == nil {
		t.Fatal("docs/android.md has no data-extraction-rules")
	}
	type exclude struct {
		Domain string `xml:"domain,attr"`
		Path   string `xml:"path,attr"`
	}
	var rules struct {
		Cloud    []exclude `xml:"cloud-backup>exclude"`
		Transfer []exclude `xml:"device-transfer>exclude"`
	}
	if err := xml.Unmarshal([]byte(found[1]), &rules); err != nil {
		t.Fatal(err)
	}
	out := []exclude{{"file", "sojourn"}}
	if !slices.Equal(rules.Cloud, out) || !slices.Equal(rules.Transfer, out) {
		t.Errorf("left out: %+v", rules)
	}
}
