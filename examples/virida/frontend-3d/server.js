import { createReadStream } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.map': 'application/json' }
const DIST = new URL('./dist/', import.meta.url).pathname

const server = createServer((request, response) => {
  const path = new URL(request.url, 'http://localhost').pathname
  const file = join(DIST, normalize(path === '/' ? '/index.html' : path))
  const stream = createReadStream(file)
  stream.on('open', () => response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'application/octet-stream' }))
  stream.on('error', () => response.writeHead(404).end('not found\n'))
  stream.pipe(response)
})

server.listen(process.env.PORT ?? 3000, () => console.log('frontend-3d listens on port', server.address().port))
