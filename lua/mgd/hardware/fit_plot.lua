--- A fit as a picture, for `mgd.hardware.fit`: a panel for each direction, measured points and the
-- fitted line of a device in one colour.
-- @module mgd.hardware.fit_plot

local plot = require "mgd.plot"

local COLOURS = 8 -- of mgd.plot; devices beyond take them again, and none is named

local function conductances(fit, values)
  local list = {}
  for i = 1, #values do
    list[i] = fit:conductance(values[i])
  end
  return list
end

local function panel_of(fit, direction, title)
  local panel = { title = title, x = "pulses", y = { label = "conductance", unit = fit.unit } }
  for d, device in ipairs(fit.devices) do
    local colour, label = (d - 1) % COLOURS + 1, #fit.devices <= COLOURS and device.name or nil
    for _, curve in ipairs(device.curves) do
      if curve.direction == direction then
        panel[#panel + 1] = { x = curve.pulse, y = curve.g, style = "points", colour = colour }
        panel[#panel + 1] = { x = curve.pulse, y = conductances(fit, curve.fit), colour = colour,
          label = label }
        label = nil -- once
      end
    end
  end
  return panel
end

--- A figure of a fit.
-- @tparam table fit  what `mgd.hardware.fit.fit_update` returns
-- @treturn figure see mgd.plot
return function(fit)
  return plot { panels = {
    panel_of(fit, 1, "Up: points measured, lines the fit"),
    panel_of(fit, -1, "Down: law " .. fit.law),
  } }
end
