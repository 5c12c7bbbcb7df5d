// Node: fastify checks the HMAC and pushes the body; one process for each core, as node:cluster is meant to be used.
// `node with_fastify.js PORT`; fastify and ioredis are found through $NODE_PATH.
'use strict'

const cluster = require('node:cluster')
const { createHmac, timingSafeEqual } = require('node:crypto')
const { availableParallelism } = require('node:os')

const SECRET = 'a secret of the benchmark'

if (cluster.isPrimary) {
  for (let i = 0; i < availableParallelism(); i++) cluster.fork()
} else {
  const Redis = require('ioredis')
  const fastify = require('fastify')({ logger: false })
  const redis = new Redis({ path: process.env.BENCHMARK_REDIS_URL.replace('unix://', '').split('?')[0] })

  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => done(null, body))
  fastify.post('/', async (request, reply) => {
    const expected = Buffer.from('sha256=' + createHmac('sha256', SECRET).update(request.body).digest('hex'))
    const given = Buffer.from(request.headers['x-signature'] ?? '')
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return reply.code(401).send()
    await redis.lpush('benchmark:pushed', request.body)
    return reply.code(202).send()
  })
  fastify.listen({ host: '127.0.0.1', port: Number(process.argv[2]) })
}
