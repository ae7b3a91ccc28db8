// The site over docs/*.md, which are also read on GitHub: `make docs` builds it into bin/docs.
import { existsSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { defineConfig } from 'vitepress'
import { checkAnchors } from './anchors.mts'
import { slug } from './slug.mts'

const docs = resolve(import.meta.dirname, '..')
const root = resolve(docs, '..')
const repository = 'https://github.com/chartgate/chartgate'

// A link that leaves docs/ leads into the repository.
function intoRepository(href: string, page: string): string {
  if (/^[a-z]+:|^#|^\//.test(href)) return href
  const [path, anchor] = href.split('#')
  const target = resolve(dirname(resolve(docs, page)), decodeURI(path))
  if (!relative(docs, target).startsWith('..')) return href
  if (!existsSync(target)) throw new Error(`${page}: ${href} does not exist`)
  return `${repository}/blob/main/${relative(root, target)}${anchor ? `#${anchor}` : ''}`
}

const page = (text: string, name: string) => ({ text, link: `/${name}` })

export default defineConfig({
  title: 'chartgate',
  description: 'Admit Helm charts only with a signature that the platform team trusts',
  lang: 'en',
  outDir: resolve(root, 'bin/docs'),
  cacheDir: resolve(root, 'bin/.docs-cache'),
  cleanUrls: true,
  // GitHub shows README.md for a folder.
  rewrites: { 'README.md': 'index.md' },
  markdown: {
    anchor: { slugify: slug },
    config(md) {
      md.core.ruler.push('links-into-the-repository', (state) => {
        for (const block of state.tokens) {
          for (const token of block.children ?? []) {
            if (token.type === 'link_open') token.attrSet('href', intoRepository(token.attrGet('href')!, state.env.relativePath))
          }
        }
      })
    },
  },
  buildEnd: (site) => checkAnchors(site.outDir),
  themeConfig: {
    outline: [2, 3],
    search: { provider: 'local' },
    socialLinks: [{ icon: 'github', link: repository }],
    nav: [page('Install', 'install'), page('Policies', 'policies'), page('Reasons', 'reasons')],
    sidebar: [
      {
        text: 'Start',
        items: [page('What chartgate does', ''), page('Which gate for what', 'compare'), page('Security', 'security')],
      },
      {
        text: 'Cluster admins',
        items: [
          page('Install', 'install'),
          page('Registries and logins', 'registries'),
          page('Trust roots', 'trust-roots'),
          page('Air-gapped clusters', 'air-gapped'),
          page('Operate', 'operate'),
        ],
      },
      {
        text: 'Platform engineers',
        items: [
          page('Policies', 'policies'),
          page('Publish charts', 'publish-charts'),
          page('Command line', 'cli'),
          page('helm itself', 'helm-users'),
          page('The page of a scan', 'scan'),
        ],
      },
      {
        text: 'Denied?',
        items: [page('Reasons', 'reasons'), page('Troubleshooting', 'troubleshooting')],
      },
      {
        text: 'Reference',
        items: [
          page('Custom resources', 'reference/resources'),
          page('Commands and flags', 'reference/cli'),
          page('Chart values', 'reference/values'),
        ],
      },
      { text: 'Contributors', items: [page('Architecture', 'architecture'), page('Release', 'release')] },
    ],
  },
})
