"""A Red Pitaya with the multichannel pulse height analyser, on which a gamma probe hangs."""
