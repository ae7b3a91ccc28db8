// VitePress fails for links to pages that do not exist, but does not look at anchors.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const attribute = (name: string) => new RegExp(`\\b${name}="([^"]*)"`, 'g')
const all = (html: string, name: string) => [...html.matchAll(attribute(name))].map((match) => decodeURIComponent(match[1]))

// checkAnchors fails if a link of the built site has an anchor that its page does not have.
export function checkAnchors(site: string) {
  const pages = readdirSync(site, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.html'))
  const html = new Map(pages.map((name) => [`/${name}`, readFileSync(join(site, name), 'utf8')]))
  const anchors = new Map([...html].map(([name, text]) => [name, new Set(all(text, 'id'))]))
  let checked = 0
  const dead: string[] = []
  for (const [name, text] of html) {
    for (const href of all(text, 'href')) {
      const [path, anchor] = href.split('#')
      if (!anchor || /^[a-z]+:/.test(path)) continue
      checked++
      const to = new URL(path, `http://site${name}`).pathname
      const page = path === '' ? name : to.endsWith('/') ? `${to}index.html` : `${to}.html`
      if (!anchors.get(page)?.has(anchor)) dead.push(`${name}: ${href}`)
    }
  }
  if (dead.length > 0) throw new Error(`links to anchors that do not exist:\n${dead.join('\n')}`)
  if (checked < 100) throw new Error(`only ${checked} links with anchors: the check does not see them`)
}
