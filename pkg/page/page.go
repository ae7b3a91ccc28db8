// Package page renders an inventory as one HTML file that holds everything it shows: it sends no
// request, and its Content-Security-Policy lets it send none. All that an inventory says is the
// text of strangers: it reaches the file as escaped text and as JSON, and the script puts it on the
// page as text only.
package page

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"

	"github.com/chartgate/chartgate/pkg/inventory"
)

// maxStatic is how many rows a browser without JavaScript shows.
const maxStatic = 500

var (
	//go:embed page.html
	document string
	//go:embed page.css
	style string
	//go:embed state.js
	stateScript string
	//go:embed rows.js
	rowsScript string
	//go:embed main.js
	mainScript string
)

// Render writes the page.
func Render(w io.Writer, found inventory.Inventory) error {
	parsed, err := template.New("page").Funcs(template.FuncMap{"plural": plural}).Parse(document)
	if err != nil {
		return fmt.Errorf("parse the template of the HTML page: %w", err)
	}
	script := "\"use strict\";\n(() => {\n" + stateScript + rowsScript + mainScript + "})();\n"
	err = parsed.Execute(w, struct {
		view
		Policy string
		Style  template.CSS
		Script template.JS
	}{newView(found), policy(script), template.CSS(style), template.JS(script)})
	if err != nil {
		return fmt.Errorf("write the HTML page: %w", err)
	}
	return nil
}

// policy admits this one script and this one style, and nothing from anywhere else. The only image
// is the empty icon, without which a browser asks a web server for one. With Trusted Types, a text
// can never become markup or a script.
func policy(script string) string {
	return fmt.Sprintf("default-src 'none'; script-src '%s'; style-src '%s'; img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
		hash(script), hash(style))
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
