package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/sojourn-auth/sojourn/sdk/go/resource"
)

// Reading needs little, writing needs all that it is made of, and what cannot be told apart is no way to write.
func TestNeeds_whatAMessageNeeds(t *testing.T) {
	t.Parallel()
	for message, want := range map[string][]string{
		`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}`:                                      reading.Scopes,
		`{"jsonrpc":"2.0","method":"notifications/initialized"}`:                                          reading.Scopes,
		`{"jsonrpc":"2.0","id":1,"method":"tools/list"}`:                                                  reading.Scopes,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_notes"}}`:                   reading.Scopes,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add_note","arguments":{}}}`:      writing.Scopes,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"list_notes","Name":"add_note"}}`: writing.Scopes,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":"add_note"}`:                              reading.Scopes,
		`{"jsonrpc":"2.0","id":1,"result":{"method":"tools/call","params":{"name":"add_note"}}}`:          reading.Scopes,
		`[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add_note","arguments":{}}}]`:    reading.Scopes,
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"add_note"}`:                      reading.Scopes,
		``: reading.Scopes,
	} {
		if got := needs([]byte(message)).Scopes; !slices.Equal(got, want) {
			t.Errorf("%s needs %v, want %v", message, got, want)
		}
	}
}

// Nobody fills the notes for the others.
func TestAdd_hasRoomForSoManyNotesAndPeople(t *testing.T) {
	t.Parallel()
	n := newNotes()
	for i := range maxNotes + 1 {
		if _, err := n.add("ada", "x"); (err == nil) != (i < maxNotes) {
			t.Fatalf("note %d: %v", i, err)
		}
	}
	for i := range maxPeople - 1 {
		n.kept[strings.Repeat("b", i+1)] = nil
	}
	if _, err := n.add("one too many", "x"); err == nil {
		t.Error("there is room for too many people")
	}
	for _, text := range []string{"", strings.Repeat("x", maxText+1), "\xff"} {
		if _, err := n.add("bob", text); err == nil || !strings.Contains(err.Error(), "bytes of text") {
			t.Errorf("a note of %d bytes: %v", len(text), err)
		}
	}
}

// A message is read twice, by two readers: whoever gets a tool past the first one is refused by the tool.
func TestServer_aToolJudgesForItself(t *testing.T) {
	t.Parallel()
	for _, scopes := range [][]string{{"notes.read"}, {"notes.read", "notes.write"}} {
		n := newNotes()
		session := connected(t, n.server(&resource.Claims{Subject: "ada", Scopes: scopes}))
		may := slices.Contains(scopes, "notes.write")
		if got := called(t, session, addNote, map[string]any{"text": "Buy milk"}); got.IsError == may {
			t.Errorf("with %v adding a note says %v", scopes, got.Content)
		}
		if got := len(n.of("ada")); (got == 1) != may {
			t.Errorf("with %v there are %d notes", scopes, got)
		}
		if got := called(t, session, listNotes, nil); got.IsError {
			t.Errorf("with %v the notes are %v", scopes, got.Content)
		}
	}
}

// connected is a client of a server, in this process.
func connected(t *testing.T, server *mcp.Server) *mcp.ClientSession {
	t.Helper()
	at, from := mcp.NewInMemoryTransports()
	if _, err := server.Connect(t.Context(), at, nil); err != nil {
		t.Fatal(err)
	}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, nil).Connect(t.Context(), from, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	return session
}

func called(t *testing.T, session *mcp.ClientSession, tool string, arguments map[string]any) *mcp.CallToolResult {
	t.Helper()
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		t.Fatal(err)
	}
	return result
}
