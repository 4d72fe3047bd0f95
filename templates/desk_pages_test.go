package templates_test

import (
	"time"

	"github.com/sojourn-auth/sojourn/templates"
)

var atDesk = templates.DeskFrame{
	Frame: templates.Frame{Operator: templates.Operator{Name: "Harbour"}, Title: "People"}, Who: "ada@example.com", Role: "operator", LeaveAction: "/desk/leave",
	Places: []templates.DeskPlace{
		{Link: templates.Link{URL: "/desk/", Label: "Overview"}}, {Link: templates.Link{URL: "/desk/people", Label: "People"}, Here: true},
	},
	Notice: "The account is locked.", Lead: "What there is to say.", Back: templates.Link{URL: "/desk/people", Label: "People"},
}

// nasty is what a device may be called: HTML, a formula, control and bidirectional characters.
const nasty = "<script>alert(1)</script>=1+1\t\u202eevil\u0000 👩‍👩‍👧‍👦👩‍👩‍👧‍👦"

// atTheDesk is every page of the operators' desk that looks different.
var atTheDesk = map[string]templates.Page{
	"opendesk": templates.OpenDesk{
		Frame: alone, Form: templates.Form{Action: "/account/desk"}, Username: "ada@example.com", At: "http://localhost:8081", Knock: "challenge", To: "/desk/people",
	},
	"desk": templates.Desk{
		DeskFrame: atDesk,
		Find: templates.DeskFind{Action: "/desk/people", Inputs: []templates.DeskInput{
			{Name: "q", Label: "Address", Hint: "Or its beginning.", Value: nasty},
			{Name: "kind", Label: "Kind", Value: "b", Options: []templates.DeskOption{{Value: "a", Label: "A"}, {Value: "b", Label: "B"}}},
		}},
		Acts: []templates.DeskAct{
			{Link: templates.Link{URL: "/desk/people/1/lock", Label: "Lock"}, Danger: true}, {Link: templates.Link{URL: "/desk/people/1/end-all", Label: "End"}},
		},
		Parts: []templates.DeskPart{
			{Facts: []templates.DeskFact{
				{Name: "Address", DeskCell: templates.DeskCell{Text: "anna@example.com", Mark: "not confirmed"}},
				{Name: "Added", DeskCell: templates.DeskCell{When: ago(3 * 24 * time.Hour)}},
				{Name: "Id", DeskCell: templates.DeskCell{Text: "0198", Code: true, Under: "quietly"}},
			}},
			{Title: "Devices", Text: "All of them.", Table: &templates.DeskTable{
				Columns: []string{"Device", "Last used"}, NextURL: "/desk/people?after=1",
				Rows: [][]templates.DeskCell{
					{{Text: nasty, URL: "/desk/sessions/1"}, {When: ago(time.Hour)}}, {{Text: "Pixel 9", Under: "Notes 2.1"}, {Text: "–"}},
				},
				Downloads: []templates.Link{{URL: "/desk/events.csv", Label: "CSV"}},
			}},
			{Title: "Nothing", Table: &templates.DeskTable{Columns: []string{"What"}, Empty: "There is none."}},
			{Title: "Sign-ins", Chart: deskChart(false)},
			{Title: "Rate", Chart: deskChart(true)},
		},
	},
	"desk-once": templates.Desk{DeskFrame: atDesk, Parts: []templates.DeskPart{{Once: "secret"}}},
	"desk-closed": templates.Desk{DeskFrame: templates.DeskFrame{
		Frame: templates.Frame{Operator: templates.Operator{Name: "Harbour"}, Title: "Forbidden"}, Lead: "Your role here is reader.",
		Back: templates.Link{URL: "/desk/", Label: "To the desk"},
	}},
	"deskform": templates.DeskForm{
		DeskFrame: atDesk, Submit: "Lock the account", Danger: true, Inputs: []templates.DeskInput{
			{Name: "new_email", Label: "New e-mail address", Type: "email"},
			{Name: "uris", Label: "One a line", Hint: "Or none.", Lines: 3, Value: "https://a\nhttps://b"},
			{Name: "trusted", Label: "Trusted", Box: true, Value: "yes"},
			{Name: "version", Type: "hidden", Value: "1"},
			{Name: "reason", Label: "Why", Hint: "Like: lost phone."},
		},
	},
	"deskform-problem": templates.DeskForm{
		DeskFrame: atDesk, Form: templates.Form{Problem: "Say why.", ProblemField: "reason"}, Submit: "Lock the account",
		Inputs: []templates.DeskInput{{Name: "reason", Label: "Why", Hint: "Like: lost phone."}},
	},
	"deskform-alert": templates.DeskForm{
		DeskFrame: atDesk, Form: templates.Form{Problem: "It was changed meanwhile."}, Submit: "Change", Inputs: []templates.DeskInput{{Name: "reason", Label: "Why"}},
	},
}

func deskChart(line bool) *templates.DeskChart {
	return &templates.DeskChart{Says: "Sign-ins a day, 3 days: the most is 12.", Line: line, Names: [2]string{"Day", "Sign-ins"}, Points: []templates.DeskPoint{
		{Label: "26 Nov", Text: "3", Value: 3}, {Label: "27 Nov", Missing: true, Text: "–"}, {Label: "28 Nov", Text: "12", Value: 12}, {Label: "29 Nov", Text: "0"},
	}}
}
