package templates

import "html/template"

// The sentences that lead to the operators' desk.
const (
	DeskClosed   Sentence = "desk.closed"
	DeskNoRole   Sentence = "desk.no_role"
	DeskNoFactor Sentence = "desk.no_factor"
	DeskEnrol    Sentence = "desk.enrol"
	DeskUnknown  Sentence = "desk.unknown"
)

// OpenDesk asks whether to go on to the operators' desk (hidden "at", "knock", "to", "fresh").
type OpenDesk struct {
	Frame
	Form
	Username             string
	At, Knock, To, Fresh string
}

func (OpenDesk) template() string { return "opendesk" }

// DeskFrame is what every page of the operators' desk has around it.
type DeskFrame struct {
	Frame
	// Who stands at the desk, and with which role. Empty: nobody, so that there is no menu.
	Who, Role string
	Places    []DeskPlace
	// LeaveAction is where the form that signs out posts.
	LeaveAction string
	// Notice says what was just done.
	Notice string
	// Lead is a sentence or two under the heading.
	Lead string
	// Back leads to where the page belongs.
	Back Link
}

// DeskPlace is an entry of the menu.
type DeskPlace struct {
	Link
	Here bool
}

// Desk is a page of the operators' desk that shows things.
type Desk struct {
	DeskFrame
	// Find filters what is shown. Without inputs there is no such form.
	Find DeskFind
	// Acts are what may be done here, each on a page of its own.
	Acts []DeskAct
	// Parts are shown in order.
	Parts []DeskPart
}

func (Desk) template() string { return "desk" }

// DeskAct leads to the page of something that may be done.
type DeskAct struct {
	Link
	Danger bool
}

// DeskFind is a form that changes nothing.
type DeskFind struct {
	Action string
	Inputs []DeskInput
}

// DeskPart is one section of a page.
type DeskPart struct {
	Title string
	Text  string
	Facts []DeskFact
	Table *DeskTable
	Chart *DeskChart
	Acts  []DeskAct
	// Once is a secret that is never shown again.
	Once string
}

// DeskFact is a name and what is known of it.
type DeskFact struct {
	Name string
	DeskCell
}

// DeskTable is a list. Empty says what there is when it has no rows.
type DeskTable struct {
	Columns []string
	Rows    [][]DeskCell
	Empty   string
	// NextURL leads to the rows after these; Downloads to all of them as files.
	NextURL   string
	Downloads []Link
}

// Named are a row's cells with the names of their columns, by which narrow screens tell them.
func (t DeskTable) Named(row []DeskCell) []DeskFact {
	facts := make([]DeskFact, len(row))
	for i, cell := range row {
		facts[i] = DeskFact{t.Columns[i], cell}
	}
	return facts
}

// DeskCell is one thing that is said: a text, perhaps with a way to more, and a quieter line under it.
type DeskCell struct {
	Text  string
	URL   string
	Under string
	// Mark stands beside the text where something is out of the ordinary.
	Mark string
	// When is a moment; Text is empty then. Exact has the time of day under it, for whoever compares it with another log.
	When  Moment
	Exact bool
	Code  bool
	// Whole is a word of ours, which a narrow column does not break.
	Whole bool
}

// Clock is the moment as a log has it.
func (c DeskCell) Clock() string { return c.When.At.UTC().Format("2006-01-02 15:04:05") + "\u00a0UTC" }

// Unbroken reports whether a narrow column leaves the text in one piece, as it does a short one, like an address of IPv4.
func (c DeskCell) Unbroken() bool {
	return c.Text != "" && (c.Whole || len(c.Text) <= len("255.255.255.255"))
}

// DeskForm asks before something is done (field "reason" and others). It says what will happen.
type DeskForm struct {
	DeskFrame
	Form
	Inputs []DeskInput
	Submit string
	Danger bool
}

func (DeskForm) template() string { return "deskform" }

// Alert is a problem that no input owns.
func (p DeskForm) Alert() string {
	for _, in := range p.Inputs {
		if in.Name == p.ProblemField {
			return ""
		}
	}
	return p.Problem
}

// Filled are the inputs, with the problem beside the one that it is about.
func (p DeskForm) Filled() []DeskInput {
	all := make([]DeskInput, len(p.Inputs))
	for i, in := range p.Inputs {
		if p.Problem != "" && in.Name == p.ProblemField {
			in.Problem = p.Problem
		}
		all[i] = in
	}
	return all
}

// DeskInput is one labelled input of a form at the desk: a line, several, a choice of few, or a box.
type DeskInput struct {
	Name, Label, Hint, Value string
	Lines                    int
	Options                  []DeskOption
	Box                      bool
	Type                     string // email, number, password; empty: text
	Problem                  string
}

// DeskOption is one of what can be chosen.
type DeskOption struct{ Value, Label string }

// Kind is what the input's type attribute says.
func (in DeskInput) Kind() string {
	if in.Type == "" {
		return "text"
	}
	return in.Type
}

// Describers are the ids of what explains the input.
func (in DeskInput) Describers() string {
	return field{Name: in.Name, Hint: in.Hint, Problem: in.Problem}.Describers()
}

// cleaned is a text of somebody else's, isolated and without what cannot be seen: names of devices and apps are anybody's words.
func cleaned(s string) template.HTML {
	return template.HTML("<bdi>" + template.HTMLEscapeString(plain(s)) + "</bdi>") //nolint:gosec // escaped
}
