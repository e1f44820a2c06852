import { OrbitCamera } from './camera.js'
import { humidityColour, visibleSensors } from './sensors.js'

const canvas = document.querySelector('canvas')
const pen = canvas.getContext('2d')
const camera = new OrbitCamera({ aspect: canvas.width / canvas.height })
let sensors = []

function draw() {
  pen.clearRect(0, 0, canvas.width, canvas.height)
  for (const { screen, depth, humidity } of visibleSensors(sensors, camera)) {
    const [x, y] = screen
    pen.fillStyle = humidityColour(humidity)
    pen.beginPath()
    pen.arc(((x + 1) / 2) * canvas.width, ((1 - y) / 2) * canvas.height, 80 / depth, 0, 2 * Math.PI)
    pen.fill()
  }
}

canvas.addEventListener('pointermove', (event) => {
  if (event.buttons === 0) return
  camera.turn(-event.movementX / 200, event.movementY / 200)
  draw()
})

const answer = await fetch('/api/sensors')
sensors = await answer.json()
draw()
