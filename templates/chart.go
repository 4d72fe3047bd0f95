package templates

import (
	"fmt"
	"strconv"
)

// DeskChart is a row of numbers as a picture, and as a table for whoever would rather read. Colours are the page's, so that it is
// readable in light and dark.
type DeskChart struct {
	// Says is the picture in one sentence, for who does not see it.
	Says   string
	Line   bool // else bars
	Points []DeskPoint
	// Names are the columns of the table: what a point is called, and what its value is of.
	Names [2]string
}

// DeskPoint is one number. Text is how it is written; Missing is whether there is none.
type DeskPoint struct {
	Label, Text string
	Value       float64
	Missing     bool
}

// The size of a picture in units that are a pixel on a phone: its letters must not become smaller there.
const (
	chartTop, chartBottom = 24, 152
	chartLeft, chartRight = 4, 356
)

// ChartBar is a bar of a picture.
type ChartBar struct{ X, Y, W, H string }

func (c DeskChart) most() float64 {
	most := 0.0
	for _, p := range c.Points {
		if !p.Missing {
			most = max(most, p.Value)
		}
	}
	return most
}

// Most is how the largest number is written.
func (c DeskChart) Most() string {
	most := c.most()
	for _, p := range c.Points {
		if !p.Missing && p.Value == most {
			return p.Text
		}
	}
	return ""
}

// First and Last are what the ends of the axis are called.
func (c DeskChart) First() string { return c.end(0) }

// Last is what the right end of the axis is called.
func (c DeskChart) Last() string { return c.end(len(c.Points) - 1) }

func (c DeskChart) end(i int) string {
	if i < 0 || i >= len(c.Points) {
		return ""
	}
	return c.Points[i].Label
}

func (c DeskChart) step() float64 {
	return float64(chartRight-chartLeft) / float64(max(1, len(c.Points)))
}

func (c DeskChart) height(p DeskPoint) float64 {
	most := c.most()
	if most == 0 || p.Missing {
		return 0
	}
	return p.Value / most * (chartBottom - chartTop)
}

// Bars are where the bars stand, one for each number that there is.
func (c DeskChart) Bars() (bars []ChartBar) {
	step := c.step()
	for i, p := range c.Points {
		if h := c.height(p); h > 0 {
			x := chartLeft + float64(i)*step
			bars = append(bars, ChartBar{unit(x + step*0.1), unit(chartBottom - h), unit(step * 0.8), unit(h)})
		}
	}
	return bars
}

// Path is the line through the numbers, with a gap where one is missing.
func (c DeskChart) Path() (d string) {
	pen := "M"
	step := c.step()
	for i, p := range c.Points {
		if p.Missing {
			pen = "M"
			continue
		}
		d += fmt.Sprintf("%s%s %s ", pen, unit(chartLeft+(float64(i)+0.5)*step), unit(chartBottom-c.height(p)))
		pen = "L"
	}
	return d
}

// Table is the picture in numbers.
func (c DeskChart) Table() *DeskTable {
	t := &DeskTable{Columns: c.Names[:]}
	for _, p := range c.Points {
		t.Rows = append(t.Rows, []DeskCell{{Text: p.Label}, {Text: p.Text}})
	}
	return t
}

func unit(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) }
