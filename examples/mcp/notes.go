package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sojourn-auth/sojourn/sdk/go/resource"
)

// The tools.
const (
	listNotes = "list_notes"
	addNote   = "add_note"
)

// The bounds of what is kept.
const (
	maxPeople = 10_000
	maxNotes  = 200     // of a person
	maxText   = 4 << 10 // bytes
)

// note is one note.
type note struct {
	Text  string    `json:"text"`
	Added time.Time `json:"added"`
}

// notes keeps everybody's notes in memory, by subject: a person's are reached by the subject of a token that was judged, never by
// anything that an agent says.
type notes struct {
	schemas *mcp.SchemaCache

	mu   sync.Mutex
	kept map[string][]note
}

func newNotes() *notes { return &notes{schemas: mcp.NewSchemaCache(), kept: map[string][]note{}} }

type nothing struct{}

type noteList struct {
	Notes []note `json:"notes"`
}

type newNote struct {
	Text string `json:"text" jsonschema:"what to note, at most 4096 bytes"`
}

// server answers one message of whoever calls.
func (n *notes) server(caller *resource.Claims) *mcp.Server {
	s := mcp.NewServer(&mcp.Implementation{Name: "sojourn-notes", Title: "Notes", Version: "1.0.0"}, &mcp.ServerOptions{
		Instructions: "The notes of the person who signed in.", SchemaCache: n.schemas,
		Capabilities: &mcp.ServerCapabilities{Tools: &mcp.ToolCapabilities{}},
	})
	mcp.AddTool(s, &mcp.Tool{
		Name: listNotes, Description: "Lists the person's notes, the newest first.", Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true},
	}, func(context.Context, *mcp.CallToolRequest, nothing) (*mcp.CallToolResult, noteList, error) {
		return nil, noteList{n.of(caller.Subject)}, nil
	})
	mcp.AddTool(s, &mcp.Tool{
		Name: addNote, Description: "Adds a note.",
	}, func(_ context.Context, _ *mcp.CallToolRequest, in newNote) (*mcp.CallToolResult, note, error) {
		if !caller.HasScope("notes.write") {
			return nil, note{}, errors.New("this needs the scope notes.write")
		}
		added, err := n.add(caller.Subject, in.Text)
		return nil, added, err
	})
	return s
}

// of lists somebody's notes, the newest first.
func (n *notes) of(owner string) []note {
	n.mu.Lock()
	defer n.mu.Unlock()
	mine := n.kept[owner]
	list := make([]note, 0, len(mine))
	for i := range mine {
		list = append(list, mine[len(mine)-1-i])
	}
	return list
}

// add keeps a note, if there is room.
func (n *notes) add(owner, text string) (note, error) {
	if text == "" || len(text) > maxText || !utf8.ValidString(text) {
		return note{}, fmt.Errorf("a note has 1 to %d bytes of text", maxText)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	mine := n.kept[owner]
	if len(mine) >= maxNotes || mine == nil && len(n.kept) >= maxPeople {
		return note{}, errors.New("there is no room for another note")
	}
	added := note{text, time.Now().UTC()}
	n.kept[owner] = append(mine, added)
	return added, nil
}
