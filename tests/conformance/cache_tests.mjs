// SPDX-License-Identifier: Apache-2.0
//
// Inside edge_rig: starts the origin of http-cache-tests, routes the edge to it, runs their client
// against the edge and holds the result against the list of expected failures.
import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'

const [rig, ...wanted] = process.argv.slice(2)
const folder = process.env.CACHE_TESTS
const part = name => import(pathToFileURL(path.join(folder, name)).href)

function freePort () {
  return new Promise(resolve => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const port = server.address().port
      server.close(() => resolve(port))
    })
  })
}

function startOrigin (port) {
  const pidfile = path.join(os.tmpdir(), `cache-tests-${process.pid}.pid`)
  const origin = spawn(process.execPath, ['--no-warnings', 'server/server.mjs'], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'ignore'],
    env: { ...process.env, npm_config_protocol: 'http', npm_config_port: String(port), npm_config_pidfile: pidfile }
  })
  process.on('exit', () => {
    origin.kill()
    fs.rmSync(pidfile, { force: true })
  })
  return new Promise((resolve, reject) => {
    origin.stdout.once('data', resolve)
    origin.once('exit', () => reject(new Error('the origin did not start')))
    origin.stdout.resume()
  })
}

function readExpected () {
  const lines = fs.readFileSync(process.env.CACHE_TESTS_EXPECTED, 'utf8').split('\n')
  const rows = lines.filter(line => line && !line.startsWith('#')).map(line => line.split(/\s+(.*)/))
  return new Map(rows.map(([id, reason]) => [id, reason]))
}

console.log('1..1')
const port = await freePort()
await startOrigin(port)
// Their requests for the script of a test and for its result must reach the origin.
execFileSync(rig, ['app', '"cache":{}', String(port)])

const { default: suites } = await part('tests/index.mjs')
const { default: surrogate } = await part('tests/surrogate-control.mjs')
const { runTests, getResults } = await part('client/runner.mjs')
const { default: fetch } = await part('node_modules/node-fetch/lib/index.mjs')

const all = [...suites, surrogate]
const chosen = all.map(suite => ({
  ...suite, tests: suite.tests.filter(test => wanted.length === 0 || wanted.includes(test.id))
}))
if (wanted.length > 0) chosen.forEach(suite => suite.tests.forEach(test => { test.dump = true }))
await runTests(chosen, fetch, false, `http://127.0.0.1:${process.env.EDGE_HTTP}`)

const results = getResults()
const expected = readExpected()
const counts = {}
const wrong = []
for (const test of chosen.flatMap(suite => suite.tests)) {
  const result = results[test.id]
  if (result === undefined) continue // for browsers only
  const kind = test.kind || 'required'
  counts[kind] = counts[kind] || { passed: 0, total: 0 }
  counts[kind].total++
  if (result === true) counts[kind].passed++
  const told = result === true ? 'passed' : result.join(': ')
  if (process.env.CACHE_TESTS_VERBOSE === '1' && kind !== 'required') console.log(`# ${kind} ${test.id}: ${told}`)
  if (kind !== 'required') continue
  if (result !== true && !expected.has(test.id)) wrong.push(`${test.id}: ${told}`)
  if (result === true && expected.has(test.id)) wrong.push(`${test.id}: passed, but is listed as one that does not`)
}
function writePage (page) {
  const kinds = { required: 'required', optimal: 'better where it can be', check: 'a question, no right or wrong' }
  const lines = ['| kind | passed | of |', '|---|--:|--:|']
  for (const kind of Object.keys(kinds)) lines.push(`| ${kinds[kind]} | ${counts[kind].passed} | ${counts[kind].total} |`)
  lines.push('', 'Required tests that do not pass:', '', '| test | why |', '|---|---|')
  for (const [id, reason] of expected) lines.push(`| \`${id}\` | ${reason} |`)
  const text = fs.readFileSync(page, 'utf8')
  const [head, rest] = text.split(/(?<=<!-- results: .* -->\n)/)
  fs.writeFileSync(page, `${head}${lines.join('\n')}\n${rest.slice(rest.indexOf('<!-- end of results'))}`)
}

if (process.env.CACHE_TESTS_PAGE && wanted.length === 0 && wrong.length === 0) writePage(process.env.CACHE_TESTS_PAGE)
for (const kind of Object.keys(counts).sort()) console.log(`# ${kind}: ${counts[kind].passed} of ${counts[kind].total}`)
for (const line of wrong) console.log(`# unexpected: ${line}`)
console.log(`${wrong.length === 0 ? 'ok' : 'not ok'} 1 - http-cache-tests: required tests, but those listed, pass`)
process.exit(wrong.length === 0 ? 0 : 1)
