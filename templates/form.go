package templates

// Form is what all forms share. Action empty posts to the page's own address.
type Form struct {
	Action string
	// Next is the sealed request, sent back in the hidden field "next".
	Next string
	// Problem is the sentence that says what was wrong and what would be right.
	Problem string
	// ProblemField is the name of the field that Problem is about. On a page with
	// one field it may stay empty. A name that the page has no field for shows the
	// sentence above the form; on Enrol, "enrolment" shows it at the top.
	ProblemField string
}

// inputs is a form's fields, ready to render, and the sentence that none of them owns.
type inputs struct {
	Alert  string
	Fields []field
}

// arrange puts the problem beside its field and the focus where the person should go on:
// to the problem, else to the first field that is still empty.
func (f Form) arrange(fields ...field) inputs {
	if f.Problem == "" {
		focusFirstEmpty(fields)
		return inputs{Fields: fields}
	}
	sole := len(fields) == 1 && f.ProblemField == ""
	for i := range fields {
		if sole || fields[i].Name == f.ProblemField {
			fields[i].Problem, fields[i].Focus = f.Problem, true
			return inputs{Fields: fields}
		}
	}
	return inputs{Alert: f.Problem, Fields: fields}
}

func focusFirstEmpty(fields []field) {
	for i := range fields {
		if fields[i].Value == "" {
			fields[i].Focus = true
			return
		}
	}
}
