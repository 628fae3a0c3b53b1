package manual

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestPage(t *testing.T) {
	t.Parallel()
	root := &cobra.Command{Use: "tool", Short: "Do things"}
	cmd := &cobra.Command{
		Use: "do [flags] THING", Short: `Do one thing`, Run: func(*cobra.Command, []string) {},
		Long: "Does it,\nall of it.\n\n  first  column\n\n  second 'column'\n.dots begin\nC:\\temp",
	}
	cmd.Flags().StringP("file", "f", "", "write to this `file`")
	cmd.Flags().String("secret", "", "not shown")
	_ = cmd.Flags().MarkHidden("secret")
	root.AddCommand(cmd, &cobra.Command{Use: "gone", Hidden: true, Run: cmd.Run}, &cobra.Command{Use: "other", Short: "Do others", Run: cmd.Run})
	text := map[string]string{}
	for _, p := range Pages(root, "tool 1") {
		text[p.Name] = string(p.Text)
	}
	if len(text) != 3 {
		t.Fatalf("%d pages: %v", len(text), text)
	}
	for _, want := range []string{
		".TH TOOL\\-DO 1 \"\" \"tool 1\" ", ".SH NAME\ntool\\-do \\- Do one thing\n", "\ntool do [flags] THING\n",
		"\nDoes it,\nall of it.\n.PP\n.nf\n  first  column\n\n  second \\(aqcolumn\\(aq\n.fi\n.PP\n\\&.dots begin\nC:\\etemp\n",
		".TP\n\\fB\\-f\\fR, \\fB\\-\\-file\\fR \\fIfile\\fR\nwrite to this file\n", ".BR tool (1),\n.BR tool\\-other (1)\n",
	} {
		if !strings.Contains(text["tool-do.1"], want) {
			t.Errorf("no %q in\n%s", want, text["tool-do.1"])
		}
	}
	for _, not := range []string{"secret", "gone"} {
		if strings.Contains(text["tool-do.1"]+text["tool.1"], not) {
			t.Errorf("%s is shown", not)
		}
	}
}
