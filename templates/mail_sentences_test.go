package templates

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWriteMail_everySentenceIsInAMail(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/mail/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var all strings.Builder
	for _, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(content)
	}
	for key, sentence := range english.sentences {
		if !strings.HasPrefix(key, "mail.") || key == "mail.when.layout" {
			continue
		}
		for _, piece := range placeholder.Split(sentence, -1) {
			if !strings.Contains(all.String(), piece) {
				t.Errorf("no mail says %s: %q", key, piece)
			}
		}
	}
}
