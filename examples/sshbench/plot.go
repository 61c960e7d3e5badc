package main

import (
	"fmt"
	"html"
	"strings"
)

// Measures of the plot, in pixels.
const (
	plotWidth  = 860
	plotLabels = 250 // left of the bars
	plotValues = 110 // right of the longest
	plotBar    = 18
	plotHead   = 30
	plotMargin = 12
)

// plot draws a group of bars for each row, each to a scale of its own.
func plot(rows []measured) string {
	var b strings.Builder
	y := plotMargin
	for _, m := range rows {
		metric := metricOf(m.row)
		most := 0.0
		values := make([]float64, len(m.contenders))
		for i := range values {
			values[i] = median(m.ended(i), metric.of)
			most = max(most, values[i])
		}
		y += plotHead
		better := "less is better"
		if metric.unit == throughput.unit {
			better = "more is better"
		}
		fmt.Fprintf(&b, "<text class=\"head\" x=\"%d\" y=\"%d\">%s <tspan class=\"note\">%s, %s</tspan></text>\n",
			plotMargin, y-10, html.EscapeString(m.name), metric.unit, better)
		for i, k := range m.contenders {
			length := 0.0
			if most > 0 {
				length = max(0, values[i]) / most * (plotWidth - plotLabels - plotValues)
			}
			class := "theirs"
			if i == 0 {
				class = "ours"
			}
			fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>", plotLabels-8, y+plotBar-5, html.EscapeString(k.name))
			fmt.Fprintf(&b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>", class, plotLabels, y+2, length, plotBar-4)
			fmt.Fprintf(&b, "<text x=\"%.1f\" y=\"%d\">%s</text>\n", plotLabels+length+6, y+plotBar-5, number(values[i]))
			y += plotBar
		}
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d">
<style>
text { font: 12px sans-serif; fill: #222; }
.head { font-weight: bold; } .note { font-weight: normal; fill: #777; }
.ours { fill: #1668b0; } .theirs { fill: #b5bcc4; }
rect.page { fill: #fff; }
</style>
<rect class="page" width="100%%" height="100%%"/>
%[3]s</svg>
`, plotWidth, y+plotMargin, b.String())
}
